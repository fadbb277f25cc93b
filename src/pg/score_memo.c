/*
 * score_memo.c
 *	  A hash table that is emptied when it is full, and at the end of the transaction; and beside it
 *	  the last text that was scored alone.
 */
#include "postgres.h"

#include "score_memo.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

/* What it holds at most: several batches, so that those of one statement do not drive each other out. */
#define MEMO_TEXTS 4096
#define MEMO_BYTES (8 * 1024 * 1024)
#define MEMO_SLOTS (2 * MEMO_TEXTS)

/* Room for the last text and its scores: longer ones are not remembered. */
#define LAST_BYTES 8192

typedef struct Memorized
{
	uint64 hash;
	uint8 model[SHA256_BYTES];
	bool known; /* false: announced */
	size_t length;
	const char *text;
	float4 scores[FLEXIBLE_ARRAY_MEMBER]; /* (L), the text behind them */
} Memorized;

/* Everything lives in the context and goes with it. */
static struct
{
	MemoryContext context;
	Memorized **slots; /* (MEMO_SLOTS) open addressing */
	int texts;
	Size bytes;
} memo;

static Memorized *last; /* LAST_BYTES of TopMemoryContext; NULL: none yet */

static void
ForgetScores(void)
{
	if (memo.context != NULL)
		MemoryContextDelete(memo.context);
	memset(&memo, 0, sizeof(memo));
}

static void
AtTransactionEnd(XactEvent event, void *argument)
{
	(void) argument;
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		ForgetScores();
}

/* What was announced may never come. */
static void
AtSubtransactionEnd(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
					void *argument)
{
	(void) mine;
	(void) parent;
	(void) argument;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		ForgetScores();
}

void
InitScoreMemo(void)
{
	RegisterXactCallback(AtTransactionEnd, NULL);
	RegisterSubXactCallback(AtSubtransactionEnd, NULL);
}

static uint64
HashOf(em_slice text)
{
	return hash_bytes_extended((const unsigned char *) text.bytes, (int) text.length, 0);
}

static bool
IsScoredBy(const Memorized *memorized, const CachedModel *cached, em_slice text, uint64 hash)
{
	return memorized->hash == hash && memorized->length == text.length &&
		   memcmp(memorized->text, text.bytes, text.length) == 0 &&
		   memcmp(memorized->model, cached->row.sha256, SHA256_BYTES) == 0;
}

static Size
BytesOf(const CachedModel *cached, em_slice text)
{
	return offsetof(Memorized, scores) + sizeof(float4) * (Size) cached->label_count + text.length;
}

/* All but the scores. */
static void
Fill(Memorized *made, const CachedModel *cached, em_slice text, uint64 hash)
{
	char *copy = (char *) (made->scores + cached->label_count);

	made->hash = hash;
	memcpy(made->model, cached->row.sha256, SHA256_BYTES);
	made->known = false;
	memcpy(copy, text.bytes, text.length);
	made->length = text.length;
	made->text = copy;
}

static void
SetScores(Memorized *made, const CachedModel *cached, const float4 *scores)
{
	memcpy(made->scores, scores, sizeof(float4) * (Size) cached->label_count);
	made->known = true;
}

/* The slot of the text, or the free one where it belongs. */
static Memorized **
FindSlot(const CachedModel *cached, em_slice text, uint64 hash)
{
	for (uint64 i = hash;; i++)
	{
		Memorized **slot = &memo.slots[i % MEMO_SLOTS];

		if (*slot == NULL || IsScoredBy(*slot, cached, text, hash))
			return slot;
	}
}

const float4 *
RememberedScores(const CachedModel *cached, em_slice text)
{
	const Memorized *found;
	uint64 hash;

	if (text.length > MEMO_TEXT_BYTES || (memo.context == NULL && last == NULL))
		return NULL;
	hash = HashOf(text);
	if (last != NULL && IsScoredBy(last, cached, text, hash))
		return last->scores;
	if (memo.context == NULL)
		return NULL;
	found = *FindSlot(cached, text, hash);
	return found != NULL && found->known ? found->scores : NULL;
}

/* The text's entry, made when there is none. */
static Memorized *
EntryOf(const CachedModel *cached, em_slice text, bool *found)
{
	Size bytes = BytesOf(cached, text);
	uint64 hash = HashOf(text);
	Memorized **slot;

	if (memo.texts == MEMO_TEXTS || memo.bytes + bytes > MEMO_BYTES)
		ForgetScores();
	if (memo.context == NULL)
	{
		MemoryContext context =
			AllocSetContextCreate(TopMemoryContext, "emotion scores", ALLOCSET_DEFAULT_SIZES);

		memo.slots = MemoryContextAllocZero(context, sizeof(Memorized *) * MEMO_SLOTS);
		memo.context = context;
	}
	slot = FindSlot(cached, text, hash);
	*found = *slot != NULL;
	if (!*found)
	{
		Memorized *made = MemoryContextAlloc(memo.context, bytes);

		Fill(made, cached, text, hash);
		*slot = made;
		memo.texts++;
		memo.bytes += bytes;
	}
	return *slot;
}

bool
AnnounceScores(const CachedModel *cached, em_slice text)
{
	bool found;

	if (text.length > MEMO_TEXT_BYTES)
		return false;
	(void) EntryOf(cached, text, &found);
	return !found;
}

void
RememberScores(const CachedModel *cached, em_slice text, const float4 *scores)
{
	bool found;

	if (text.length <= MEMO_TEXT_BYTES)
		SetScores(EntryOf(cached, text, &found), cached, scores);
}

void
RememberLastScores(const CachedModel *cached, em_slice text, const float4 *scores)
{
	if (BytesOf(cached, text) > LAST_BYTES)
		return;
	if (last == NULL)
		last = MemoryContextAllocZero(TopMemoryContext, LAST_BYTES);
	Fill(last, cached, text, HashOf(text));
	SetScores(last, cached, scores);
}
