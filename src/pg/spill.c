/*
 * spill.c
 *	  Blocks of samples in a temporary file.
 */
#include "postgres.h"

#include "spill.h"

/* A block may lie in any segment of the file; BufFileSeek wants the place as one offset. */
static void
SeekBlock(BufFile *file, size_t block, size_t offset)
{
	off_t at = (off_t) block * SAMPLES_BLOCK_BYTES + (off_t) offset;
	off_t segment = (off_t) 1 << 30; /* what buffile.c cuts files into */

	if (BufFileSeek(file, (int) (at / segment), at % segment, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not seek in a temporary file of training samples")));
}

static bool
WriteBlock(void *context, size_t block, const void *bytes)
{
	SpillFile *spill = context;
	/* the file's own memory must outlive the row that happens to fill a block */
	MemoryContext before = MemoryContextSwitchTo(spill->context);

	if (spill->file == NULL)
		spill->file = BufFileCreateTemp(true);
	SeekBlock(spill->file, block, 0);
	BufFileWrite(spill->file, unconstify(void *, bytes), SAMPLES_BLOCK_BYTES);
	MemoryContextSwitchTo(before);
	return true;
}

static bool
ReadBlock(void *context, size_t block, size_t offset, void *bytes, size_t length)
{
	SpillFile *spill = context;

	SeekBlock(spill->file, block, offset);
	return BufFileRead(spill->file, bytes, length) == length;
}

samples_spill
SpillInto(SpillFile *file)
{
	file->context = CurrentMemoryContext;
	return (samples_spill){ WriteBlock, ReadBlock, file };
}

void
CloseSpill(SpillFile *file)
{
	if (file->file != NULL)
		BufFileClose(file->file);
	file->file = NULL;
}
