/*
 * fasttext_vectors.cc
 *	  What fastText itself says of its models, bit by bit: for test_fasttext.c.
 *
 *	  g++ -std=c++11 -o fasttext_vectors test/reference/fasttext_vectors.cc -lfasttext
 *	  ./fasttext_vectors MODEL            a line a word: the word, and its numbers in hexadecimal
 *	  ./fasttext_vectors MODEL digest     FNV-1a, 64 bits, of all those numbers
 *
 * The words are those of the model, in its order, but for those that are not UTF-8, and 1000 that are
 * made up.
 */
#include <fasttext/fasttext.h>

#include <clocale>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

int
main(int argc, char **argv)
{
	fasttext::FastText model;
	std::vector<std::string> words;
	uint64_t digest = UINT64_C(14695981039346656037);
	bool only_digest = argc > 2;

	setlocale(LC_ALL, "C.UTF-8");
	model.loadModel(argv[1]);
	for (int i = 0; i < model.getDictionary()->nwords(); i++)
		if (mbstowcs(nullptr, model.getDictionary()->getWord(i).c_str(), 0) != (size_t) -1)
			words.push_back(model.getDictionary()->getWord(i));
	for (int i = 0; i < 1000; i++)
		words.push_back("m" + std::to_string(i) + "\xC3\xB6" + std::to_string(i * 7919 % 1000));

	fasttext::Vector vector(model.getDimension());
	for (const std::string &word : words)
	{
		model.getWordVector(vector, word);
		if (!only_digest)
			printf("%s", word.c_str());
		for (int i = 0; i < model.getDimension(); i++)
		{
			float number = vector[i] + 0.0f; /* no -0 */
			uint32_t bits;

			memcpy(&bits, &number, 4);
			if (!only_digest)
				printf(" %08x", bits);
			for (int j = 0; j < 4; j++)
				digest = (digest ^ (bits >> 8 * j & 0xFF)) * UINT64_C(1099511628211);
		}
		if (!only_digest)
			printf("\n");
	}
	if (only_digest)
		printf("%016llx %d words\n", (unsigned long long) digest, (int) words.size() - 1000);
	return 0;
}
