/*
 * train_memory.c
 *	  How much memory a training may take.
 */
#include "postgres.h"

#include "train_memory.h"

#include "storage/fd.h"

#define MEGABYTE (1024 * 1024)

int MaxTrainingMemory = -1;

/*
 * A number of kilobytes or bytes behind a word in a file of the system; PG_UINT64_MAX when the file or
 * the word is not there. word "": the file's first.
 */
static uint64
NumberInFile(const char *path, const char *word)
{
	FILE *file = AllocateFile(path, "r");
	uint64 number = PG_UINT64_MAX;
	char line[256];

	if (file == NULL)
		return number;
	while (number == PG_UINT64_MAX && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, word, strlen(word)) == 0)
		{
			char *end;
			uint64 found = strtoull(line + strlen(word), &end, 10);

			if (end == line + strlen(word))
				break;
			number = found;
		}
	FreeFile(file);
	return number;
}

/* Memory that the system, and the group that we are in, have left; PG_UINT64_MAX: who knows. */
static uint64
AvailableMemory(void)
{
	uint64 kilobytes = NumberInFile("/proc/meminfo", "MemAvailable:");
	uint64 limit = NumberInFile("/sys/fs/cgroup/memory.max", "");
	uint64 used = NumberInFile("/sys/fs/cgroup/memory.current", "");
	uint64 cached = NumberInFile("/sys/fs/cgroup/memory.stat", "inactive_file ");
	uint64 bytes = kilobytes == PG_UINT64_MAX ? kilobytes : kilobytes * 1024;

	if (limit == PG_UINT64_MAX || used == PG_UINT64_MAX)
		return bytes;
	if (cached != PG_UINT64_MAX)
		used -= Min(used, cached);
	return Min(bytes, limit - Min(limit, used));
}

uint64
SavingMemory(uint64 weights, uint64 kept)
{
	return Max(weights * sizeof(float), 3 * Min(kept * sizeof(float), CHECKPOINT_PART_BYTES));
}

static int
DetailOfWeights(uint64 alone, uint64 limit)
{
	return alone > limit
			   ? errdetail(
					 "Its weights, and what is kept of each to train them, take " UINT64_FORMAT
					 " MB alone, whatever the batches.",
					 alone)
			   : 0;
}

void
CheckTrainingMemory(uint64 bytes, uint64 least, const char *batches, const char *weights)
{
	uint64 needed = (bytes + MEGABYTE - 1) / MEGABYTE;
	uint64 alone = (least + MEGABYTE - 1) / MEGABYTE;
	uint64 available = 0, limit;
	const char *hint;

	if (MaxTrainingMemory < 0)
	{
		available = AvailableMemory();
		limit = available < PG_UINT64_MAX ? available / MEGABYTE * 4 / 5 : available;
	}
	else
		limit = (uint64) MaxTrainingMemory;
	if (needed <= limit)
		return;
	hint = alone > limit ? weights : batches;
	if (MaxTrainingMemory >= 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("this training needs %s" UINT64_FORMAT " MB of memory, but "
							   "\"emotion.max_training_memory\" is %d MB",
							   bytes == least ? "at least " : "", needed, MaxTrainingMemory),
						DetailOfWeights(alone, limit), errhint("Raise it, or %s.", hint)));
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		 errmsg("this training needs %s" UINT64_FORMAT " MB of memory, but the server has "
				"only " UINT64_FORMAT " MB left, of which it may take four fifths",
				bytes == least ? "at least " : "", needed, available / MEGABYTE),
		 DetailOfWeights(alone, limit),
		 errhint("To try it all the same, set \"emotion.max_training_memory\"; else %s.", hint)));
}
