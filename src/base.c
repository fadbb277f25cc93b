/*
 * base.c
 *	  Status and allocation helpers shared by all rooms.
 */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

em_code
em_fail(em_status *status, em_code code, const char *format, ...)
{
	va_list args;

	if (status == NULL)
		return code;
	status->code = code;
	status->hint[0] = '\0';
	va_start(args, format);
	(void) vsnprintf(status->message, sizeof(status->message), format, args);
	va_end(args);
	return code;
}

void
em_hint(em_status *status, const char *format, ...)
{
	va_list args;

	if (status == NULL)
		return;
	va_start(args, format);
	(void) vsnprintf(status->hint, sizeof(status->hint), format, args);
	va_end(args);
}

void *
em_allocate_array(const em_allocator *allocator, size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;
	if (count > SIZE_MAX / size)
		return NULL;
	return allocator->allocate(allocator->context, count * size);
}

void *
em_allocate_zeroed(const em_allocator *allocator, size_t count, size_t size)
{
	void *pointer = em_allocate_array(allocator, count, size);

	if (pointer != NULL && count != 0 && size != 0)
		memset(pointer, 0, count * size);
	return pointer;
}

void
em_release(const em_allocator *allocator, void *pointer)
{
	if (pointer != NULL)
		allocator->release(allocator->context, pointer);
}

bool
em_grow(const em_allocator *allocator, void **pointer, size_t *capacity, size_t wanted,
		size_t element_size)
{
	size_t target = *capacity < 8 ? 16 : *capacity;
	void *grown;

	if (wanted <= *capacity)
		return true;
	while (target < wanted)
	{
		if (target > SIZE_MAX / 2)
			return false;
		target *= 2;
	}
	grown = em_allocate_array(allocator, target, element_size);
	if (grown == NULL)
		return false;
	if (*capacity > 0)
		memcpy(grown, *pointer, *capacity * element_size);
	em_release(allocator, *pointer);
	*pointer = grown;
	*capacity = target;
	return true;
}
