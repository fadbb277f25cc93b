/*
 * huggingface_files.h
 *	  The files of a checkpoint: in a directory of the server, or pieces of an upload. SPI must be
 *	  connected.
 */
#ifndef EMOTION_PG_HUGGINGFACE_FILES_H
#define EMOTION_PG_HUGGINGFACE_FILES_H

#include "postgres.h"

/* A piece of an uploaded file. */
typedef struct Piece
{
	int32 part;
	uint64 end; /* bytes of the file up to its end */
} Piece;

/* All files, of which one is open. */
typedef struct CheckpointFiles
{
	const char *directory; /* NULL: an upload */
	const char *upload;
	MemoryContext context; /* of what belongs to the open file */

	char *name; /* of the open file, or NULL */
	uint64 size;
	FILE *file;
	char *key; /* emotion.import_part.upload */
	Piece *pieces;
	uint64 piece_count;
} CheckpointFiles;

/* Open a file unless it is the open one; false when there is none. */
extern bool OpenCheckpointFile(CheckpointFiles *checkpoint, const char *name);

/* Bytes of a file that is opened unless it is open; an error when it has none there any more. */
extern void ReadCheckpointFile(CheckpointFiles *checkpoint, const char *name, uint64 offset,
							   uint8 *out, size_t wanted);
extern void CloseCheckpoint(CheckpointFiles *checkpoint);

/*
 * What a message begins with is the name of a file that has proved broken: which of its pieces seems to
 * be missing, doubled or cut short, as a sentence for people. NULL for no such file, a file of one piece, or
 * of the server.
 */
extern char *SuspectPiece(CheckpointFiles *checkpoint, const char *message);

#endif /* EMOTION_PG_HUGGINGFACE_FILES_H */
