/*
 * bpe_pairs.c
 *	  A table of pairs, lists of pieces that share one array, and a binary heap.
 */
#include "bpe_pairs.h"

#include "bpe_block.h"

#define FIRST_SLOTS 4096

/* Symbols that are looked at between two questions whether to stop. */
#define WORK_BETWEEN_STOPS 250000

static em_code
fail_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

void
bpe_pairs_free(bpe_pairs *pairs)
{
	em_release(pairs->allocator, pairs->pairs);
	em_release(pairs->allocator, pairs->slots);
	em_release(pairs->allocator, pairs->places);
	em_release(pairs->allocator, pairs->fresh);
	em_release(pairs->allocator, pairs->queue);
}

static bool
double_slots(bpe_pairs *pairs)
{
	size_t count = pairs->slot_count > 0 ? pairs->slot_count * 2 : FIRST_SLOTS;
	hash_slot *slots = em_allocate_zeroed(pairs->allocator, count, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t pair = 0; pair < pairs->count; pair++)
	{
		uint32_t hash = bpe_hash_pair(pairs->pairs[pair].left, pairs->pairs[pair].right);
		size_t i = hash & (count - 1);

		while (slots[i].entry != 0)
			i = (i + 1) & (count - 1);
		slots[i] = (hash_slot){ hash, (uint32_t) pair + 1 };
	}
	em_release(pairs->allocator, pairs->slots);
	pairs->slots = slots;
	pairs->slot_count = count;
	return true;
}

/* The pair, made with count 0 if it is new; NULL: no memory. It may move when another is made. */
static bpe_pair *
find_pair(bpe_pairs *pairs, uint32_t left, uint32_t right)
{
	uint32_t hash = bpe_hash_pair(left, right);
	void *grown = pairs->pairs;
	size_t i;

	if ((pairs->count + 1) * 2 > pairs->slot_count && !double_slots(pairs))
		return NULL;
	i = hash & (pairs->slot_count - 1);
	for (; pairs->slots[i].entry != 0; i = (i + 1) & (pairs->slot_count - 1))
	{
		bpe_pair *pair = &pairs->pairs[pairs->slots[i].entry - 1];

		if (pairs->slots[i].hash == hash && pair->left == left && pair->right == right)
			return pair;
	}
	if (pairs->count >= UINT32_MAX - 1 ||
		!em_grow(pairs->allocator, &grown, &pairs->capacity, pairs->count + 1, sizeof(bpe_pair)))
		return NULL;
	pairs->pairs = grown;
	pairs->pairs[pairs->count] = (bpe_pair){ .left = left, .right = right };
	pairs->slots[i] = (hash_slot){ hash, (uint32_t) ++pairs->count };
	return &pairs->pairs[pairs->count - 1];
}

/* Note that the pair has come to stand in the piece; pieces are gone through one by one. */
static em_code
add_place(bpe_pairs *pairs, bpe_pair *pair, uint32_t piece)
{
	uint32_t place = pairs->free_places;

	if (pair->fresh != 0 && pairs->places[pair->fresh - 1].piece == piece)
		return EM_OK;
	if (place != 0)
		pairs->free_places = pairs->places[place - 1].next;
	else
	{
		void *grown = pairs->places;

		if (pairs->place_count >= UINT32_MAX - 1)
			return em_fail(pairs->status, EM_LIMIT, "more than %u places of pairs of tokens",
						   UINT32_MAX - 1);
		if (!em_grow(pairs->allocator, &grown, &pairs->place_capacity, pairs->place_count + 1,
					 sizeof(bpe_place)))
			return fail_memory(pairs->status);
		pairs->places = grown;
		place = (uint32_t) ++pairs->place_count;
	}
	if (pair->fresh == 0)
	{
		void *grown = pairs->fresh;

		if (!em_grow(pairs->allocator, &grown, &pairs->fresh_capacity, pairs->fresh_count + 1,
					 sizeof(uint32_t)))
			return fail_memory(pairs->status);
		pairs->fresh = grown;
		pairs->fresh[pairs->fresh_count++] = (uint32_t) (pair - pairs->pairs);
	}
	pairs->places[place - 1] = (bpe_place){ piece, pair->fresh };
	pair->fresh = place;
	return EM_OK;
}

em_code
bpe_pairs_change(bpe_pairs *pairs, uint32_t left, uint32_t right, int64_t change, uint32_t piece)
{
	bpe_pair *pair = find_pair(pairs, left, right);

	if (pair == NULL)
		return fail_memory(pairs->status);
	pair->count += change;
	return change > 0 ? add_place(pairs, pair, piece) : EM_OK;
}

void
bpe_pairs_release(bpe_pairs *pairs, uint32_t places)
{
	uint32_t last = places;

	if (places == 0)
		return;
	while (pairs->places[last - 1].next != 0)
		last = pairs->places[last - 1].next;
	pairs->places[last - 1].next = pairs->free_places;
	pairs->free_places = places;
}

em_code
bpe_pairs_stop_if_asked(bpe_pairs *pairs, size_t work)
{
	pairs->work += work;
	if (pairs->work < WORK_BETWEEN_STOPS)
		return EM_OK;
	pairs->work = 0;
	if (pairs->should_stop != NULL && pairs->should_stop(pairs->context))
		return em_fail(pairs->status, EM_CANCELLED, "cancelled");
	return EM_OK;
}

static bool
comes_before(const bpe_pairs *pairs, const bpe_queue_entry *a, const bpe_queue_entry *b)
{
	const bpe_pair *first = &pairs->pairs[a->pair];
	const bpe_pair *second = &pairs->pairs[b->pair];

	if (a->count != b->count)
		return a->count > b->count;
	if (first->left != second->left)
		return first->left < second->left;
	return first->right < second->right;
}

static void
sift_down(bpe_pairs *pairs)
{
	bpe_queue_entry *queue = pairs->queue;
	bpe_queue_entry moved = queue[0];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < pairs->queue_count; i = child)
	{
		if (child + 1 < pairs->queue_count && comes_before(pairs, &queue[child + 1], &queue[child]))
			child++;
		if (!comes_before(pairs, &queue[child], &moved))
			break;
		queue[i] = queue[child];
	}
	queue[i] = moved;
}

static em_code
push(bpe_pairs *pairs, bpe_queue_entry entry)
{
	void *grown = pairs->queue;
	bpe_queue_entry *queue;
	size_t i = pairs->queue_count;

	if (!em_grow(pairs->allocator, &grown, &pairs->queue_capacity, i + 1, sizeof(bpe_queue_entry)))
		return fail_memory(pairs->status);
	queue = pairs->queue = grown;
	pairs->queue_count++;
	for (; i > 0 && comes_before(pairs, &entry, &queue[(i - 1) / 2]); i = (i - 1) / 2)
		queue[i] = queue[(i - 1) / 2];
	queue[i] = entry;
	return EM_OK;
}

em_code
bpe_pairs_enqueue(bpe_pairs *pairs)
{
	em_code code = EM_OK;

	for (size_t i = 0; code == EM_OK && i < pairs->fresh_count; i++)
	{
		bpe_pair *pair = &pairs->pairs[pairs->fresh[i]];
		bpe_queue_entry entry = { pair->count, pairs->fresh[i], pair->fresh };

		pair->fresh = 0;
		if (entry.count > 0)
			code = push(pairs, entry);
		else
			bpe_pairs_release(pairs, entry.places);
		if (code == EM_OK)
			code = bpe_pairs_stop_if_asked(pairs, 16);
	}
	pairs->fresh_count = 0;
	return code;
}

em_code
bpe_pairs_take(bpe_pairs *pairs, bpe_queue_entry *entry, bool *taken)
{
	em_code code = EM_OK;

	*taken = false;
	while (code == EM_OK && !*taken && pairs->queue_count > 0)
	{
		bpe_queue_entry *top = &pairs->queue[0];
		int64_t count = pairs->pairs[top->pair].count;

		if (top->count == count)
		{
			*taken = true;
			*entry = *top;
			*top = pairs->queue[--pairs->queue_count];
		}
		else
			top->count = count;
		if (pairs->queue_count > 0)
			sift_down(pairs);
		code = bpe_pairs_stop_if_asked(pairs, 16);
	}
	return code;
}
