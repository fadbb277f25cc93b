/*
 * bpe_file.h
 *	  Byte-level BPE tokenisers as Hugging Face publishes them -> text_bpe.
 *
 * Nothing is assumed: what a file says is read, and what text_bpe cannot do is refused by name.
 */
#ifndef EMOTION_MODEL_BPE_FILE_H
#define EMOTION_MODEL_BPE_FILE_H

#include "../text/bpe.h"

/*
 * tokenizer.json, version 1.0. Supported: model BPE (merges as "a b" or as ["a", "b"]; no dropout,
 * prefix or suffix); no normalizer; pre-tokenizer ByteLevel, alone or alone in a Sequence;
 * post-processor none, RobertaProcessing, BertProcessing, ByteLevel, TemplateProcessing (its
 * "single"), or a Sequence of these; any added tokens. The decoder is not looked at, of padding only
 * the id, of truncation only the length (rules.max_length; text is cut at its end).
 *
 * EM_CORRUPT for what is not JSON, lacks something, or contradicts itself; EM_UNSUPPORTED; and as
 * text_bpe_build. Free *bpe with em_release.
 */
em_code bpe_file_read(const em_allocator *allocator, em_slice tokenizer_json, text_bpe **bpe,
					  em_status *status);

/*
 * vocab.json and merges.txt, which say nothing of special tokens: RoBERTa's are taken, <s> and </s>
 * (which must be there) put around texts, <pad>, <unk> and <mask>. add_prefix_space: as in
 * tokenizer_config.json, where it is false unless given. Errors as above.
 */
em_code bpe_file_read_pair(const em_allocator *allocator, em_slice vocab_json, em_slice merges_txt,
						   bool add_prefix_space, text_bpe **bpe, em_status *status);

/*
 * tokenizer.json of a tokeniser, written to out unless that is NULL; returns the bytes it takes. It
 * is read by bpe_file_read as the same block, byte for byte, and by Hugging Face's library.
 */
size_t bpe_file_write(const text_bpe *bpe, char *out);

/* The same in memory of its own, which em_release frees. */
em_code bpe_file_make(const em_allocator *allocator, const text_bpe *bpe, em_slice *tokenizer_json,
					  em_status *status);

#endif /* EMOTION_MODEL_BPE_FILE_H */
