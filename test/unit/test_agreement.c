/*
 * test_agreement.c
 *	  Kappas, alpha and majorities: textbook examples, another language's
 *	  (test/reference/agreement.txt), real votes, parts added up, errors.
 */
#include <math.h>

#include "check.h"

#include "../../src/data/agreement.h"

#define FIXTURE "test/reference/agreement.txt"
#define MAX_K 32

static uint64_t confusion[MAX_K * MAX_K];
static uint64_t fleiss[2][DATA_FLEISS_CATEGORY + MAX_K];
static double coincidence[2][MAX_K * MAX_K];

static void
clear(void)
{
	memset(confusion, 0, sizeof(confusion));
	memset(fleiss, 0, sizeof(fleiss));
	memset(coincidence, 0, sizeof(coincidence));
}

static double
cohen_of(uint32_t k)
{
	double kappa = -9;

	return data_cohen_kappa(confusion, k, &kappa, NULL) == EM_OK ? kappa : -9;
}

static double
fleiss_of(const uint64_t *state, uint32_t k)
{
	double kappa = -9;

	return data_fleiss_kappa(state, k, &kappa, NULL) == EM_OK ? kappa : -9;
}

static double
alpha_of(const double *state, uint32_t k)
{
	double alpha = -9;

	return data_alpha(state, k, &alpha, NULL) == EM_OK ? alpha : -9;
}

static void
test_textbooks(void)
{
	/* the example of Fleiss' kappa: 14 raters, 10 subjects, 5 categories */
	static const uint32_t psychiatry[10][5] = { { 0, 0, 0, 0, 14 }, { 0, 2, 6, 4, 2 },
												{ 0, 0, 3, 5, 6 },  { 0, 3, 9, 2, 0 },
												{ 2, 2, 8, 1, 1 },  { 7, 7, 0, 0, 0 },
												{ 3, 2, 6, 3, 0 },  { 2, 5, 3, 2, 2 },
												{ 6, 5, 2, 1, 0 },  { 0, 2, 2, 3, 7 } };
	/* Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", C: nominal data, 4
	   observers, 12 units, some without a value (0): alpha = 0.743 */
	static const char *const observer[4] = { "123321412000", "123322412503", "033323422510",
											 "123324412510" };
	double kappa;

	/* two raters, 50 proposals: both yes 20, both no 15, 5 and 10 apart: 0.4 */
	clear();
	confusion[0] = 20;
	confusion[1] = 5;
	confusion[2] = 10;
	confusion[3] = 15;
	kappa = cohen_of(2);
	CHECK(fabs(kappa - 0.4) < 1e-15, "Cohen's kappa of 20, 5, 10, 15: %.17g", kappa);
	/* ten things: both say the same 3, 3 and 2 times; margins .4, .4, .2: (.8 - .36) / .64 */
	clear();
	confusion[0] = 3;
	confusion[4] = 3;
	confusion[8] = 2;
	confusion[1] = confusion[3] = 1;
	kappa = cohen_of(3);
	CHECK(fabs(kappa - 0.6875) < 1e-15, "of three categories: %.17g", kappa);

	for (int i = 0; i < 10; i++)
	{
		if (data_fleiss_add(fleiss[0], 5, psychiatry[i], NULL) != EM_OK)
			CHECK(false, "a subject of the example");
	}
	kappa = fleiss_of(fleiss[0], 5);
	CHECK(fabs(kappa - 0.20993070442195522) < 1e-15, "Fleiss' kappa of the example: %.17g", kappa);

	for (int u = 0; u < 12; u++)
	{
		uint32_t counts[5] = { 0 };

		for (int o = 0; o < 4; o++)
		{
			if (observer[o][u] >= '1')
				counts[observer[o][u] - '1']++;
		}
		if (data_alpha_add(coincidence[0], 5, counts, NULL) != EM_OK)
			CHECK(false, "a unit of the example");
	}
	kappa = alpha_of(coincidence[0], 5);
	CHECK(fabs(kappa - 0.743) < 5e-4, "Krippendorff's alpha of his example: %.6f", kappa);
	CHECK(coincidence[0][0] == 7 && fabs(coincidence[0][1] - 4 / 3.0) < 1e-15 &&
			  fabs(coincidence[0][2] - 1 / 3.0) < 1e-15 && coincidence[0][6] == 10 &&
			  coincidence[0][12] == 8 && coincidence[0][18] == 4 && coincidence[0][24] == 3,
		  "and his coincidence matrix");
}

/* Cases of the fixture, counted in two parts and added up. */
static void
test_against_reference(void)
{
	char text[512], kind[16], value[64];
	FILE *file = fopen(FIXTURE, "r");
	double wanted = 0, got;
	uint32_t k = 0, units = 0, cases = 0;
	bool end = false;

	if (file == NULL)
	{
		CHECK(false, "cannot open %s", FIXTURE);
		return;
	}
	while (!end)
	{
		uint32_t counts[MAX_K] = { 0 }, rating[64], ratings = 0;

		end = fgets(text, sizeof(text), file) == NULL;
		if (!end && strncmp(text, "unit", 4) == 0)
		{
			strtok(text, " \n");
			for (char *word = strtok(NULL, " \n"); word != NULL; word = strtok(NULL, " \n"))
			{
				rating[ratings++] = (uint32_t) atoi(word);
				counts[rating[ratings - 1]]++;
			}
			if (strcmp(kind, "cohen") == 0)
				(void) data_cohen_add(confusion, k, rating[0], rating[1], NULL);
			else if (strcmp(kind, "fleiss") == 0)
				(void) data_fleiss_add(fleiss[units % 2], k, counts, NULL);
			else
				(void) data_alpha_add(coincidence[units % 2], k, counts, NULL);
			units++;
			continue;
		}
		if (k > 0)
		{
			if (strcmp(kind, "cohen") == 0)
				got = cohen_of(k);
			else if (strcmp(kind, "fleiss") == 0)
			{
				if (data_fleiss_merge(fleiss[0], fleiss[1], k, NULL) != EM_OK)
					CHECK(false, "two parts of Fleiss' kappa added");
				got = fleiss_of(fleiss[0], k);
			}
			else
			{
				for (uint32_t i = 0; i < k * k; i++)
					coincidence[0][i] += coincidence[1][i];
				got = alpha_of(coincidence[0], k);
			}
			CHECK(fabs(got - wanted) < 1e-12, "%s of %u units in %u categories: %.12f", kind, units,
				  k, got);
			cases++;
		}
		if (!end)
		{
			sscanf(text, "%15s %u %63s", kind, &k, value);
			wanted = strtod(value, NULL);
			units = 0;
			clear();
		}
	}
	fclose(file);
	CHECK(cases == 13, "all cases of the reference");
}

/* -- the real votes -- */

static char names[MAX_K][32];
static uint32_t name_count;

static uint32_t
number_of(const char *name)
{
	uint32_t i = 0;

	while (i < name_count && strcmp(names[i], name) != 0)
		i++;
	if (i == name_count && name_count < MAX_K)
		snprintf(names[name_count++], sizeof(names[0]), "%s", name);
	return i;
}

/* Labels of a comma-separated list, sorted, into label; *first: the first one named. */
static uint32_t
read_labels(char *list, uint32_t *label, uint32_t *first)
{
	uint32_t size = 0;

	list[strcspn(list, "\n")] = '\0';
	for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ","))
	{
		uint32_t l = number_of(word), at = size++;

		*first = size == 1 ? l : *first;
		for (; at > 0 && label[at - 1] > l; at--)
			label[at] = label[at - 1];
		label[at] = l;
	}
	return size;
}

static void
test_real_votes(void)
{
	static uint64_t start[2000][6];
	static uint32_t label[2000][5 * MAX_K], first[2000][5], voters[2000], meant[MAX_K];
	uint32_t with_majority = 0, as_meant = 0, texts = 0, unused;
	const char *path = check_data("llm/votes.tsv");
	char text[65536];
	double kappa, alpha;
	FILE *file;

	if (path == NULL)
	{
		check_skip("llm/votes.tsv", "the file is not there");
		return;
	}
	clear();
	file = fopen(path, "r");
	while (fgets(text, sizeof(text), file) != NULL)
	{
		int id = atoi(text);
		uint32_t v = voters[id]++;

		start[id][v + 1] = start[id][v] + read_labels(strrchr(text, '\t') + 1,
													  label[id] + start[id][v], &first[id][v]);
	}
	fclose(file);
	path = check_data("llm/texts.tsv");
	if (path == NULL)
	{
		check_skip("llm/texts.tsv", "the file is not there");
		return;
	}
	file = fopen(path, "r");
	while (fgets(text, sizeof(text), file) != NULL)
	{
		int id = atoi(text);
		uint32_t size = read_labels(strrchr(text, '\t') + 1, meant, &unused);
		uint32_t counts[MAX_K] = { 0 }, votes[MAX_K], chosen[MAX_K], chosen_count = 0;
		data_label_rows rows = { voters[id], MAX_K, start[id], label[id] };
		bool hit = false;

		texts++;
		for (uint32_t v = 0; v < voters[id]; v++)
			counts[first[id][v]]++;
		if (data_fleiss_add(fleiss[0], MAX_K, counts, NULL) != EM_OK ||
			data_alpha_add(coincidence[0], MAX_K, counts, NULL) != EM_OK ||
			data_majority(&rows, 3, votes, chosen, &chosen_count, NULL) != EM_OK)
			CHECK(false, "votes of text %d", id);
		with_majority += chosen_count > 0;
		for (uint32_t i = 0; i < chosen_count; i++)
		{
			for (uint32_t j = 0; j < size; j++)
				hit |= chosen[i] == meant[j];
		}
		as_meant += hit;
	}
	fclose(file);
	kappa = fleiss_of(fleiss[0], MAX_K);
	alpha = alpha_of(coincidence[0], MAX_K);
	printf("# Fleiss' kappa %.12f, Krippendorff's alpha %.12f\n", kappa, alpha);
	CHECK(texts == 1560 && fabs(kappa - 0.967601) < 5e-7,
		  "Fleiss' kappa of the first labels of the real votes: %.9f", kappa);
	CHECK(fabs(alpha - (1 - (1 - kappa) * (1 - 1 / 7800.0))) < 1e-12,
		  "alpha of complete ratings is kappa but for the small sample's correction");
	CHECK(with_majority == 1560, "all 1,560 texts have a label with three votes or more");
	CHECK(as_meant == 1510, "for 1,510 the writer meant one of them (%u)", as_meant);
}

static void
test_majority(void)
{
	static const uint64_t start[6] = { 0, 2, 3, 5, 5, 7 };
	static const uint32_t label[7] = { 0, 3, 3, 0, 3, 1, 3 };
	data_label_rows votes = { 5, 5, start, label };
	uint32_t count[5], labels[5], size = 9;

	CHECK(data_majority(&votes, 3, count, labels, &size, NULL) == EM_OK && size == 1 &&
			  labels[0] == 3 && count[0] == 2 && count[1] == 1 && count[2] == 0 && count[3] == 4,
		  "three of five votes");
	CHECK(data_majority(&votes, 2, count, labels, &size, NULL) == EM_OK && size == 2 &&
			  labels[0] == 0 && labels[1] == 3,
		  "two of five");
	CHECK(data_majority(&votes, 6, count, labels, &size, NULL) == EM_OK && size == 0,
		  "more than there are voters");
	votes.n = 0;
	CHECK(data_majority(&votes, 1, count, labels, &size, NULL) == EM_OK && size == 0,
		  "nobody votes");
}

static void
test_undefined(void)
{
	static const uint32_t all_first[3] = { 3, 0, 0 }, one[3] = { 0, 1, 0 }, apart[3] = { 1, 1, 1 };

	clear();
	CHECK(isnan(cohen_of(3)) && isnan(fleiss_of(fleiss[0], 3)) &&
			  isnan(alpha_of(coincidence[0], 3)),
		  "without ratings all are undefined");
	for (int i = 0; i < 49; i++)
	{
		(void) data_cohen_add(confusion, 3, 1, 1, NULL);
		(void) data_fleiss_add(fleiss[0], 3, all_first, NULL);
		(void) data_alpha_add(coincidence[0], 3, all_first, NULL);
	}
	CHECK(isnan(cohen_of(3)) && isnan(fleiss_of(fleiss[0], 3)) &&
			  isnan(alpha_of(coincidence[0], 3)),
		  "so they are when one category is all there is");
	clear();
	(void) data_alpha_add(coincidence[0], 3, one, NULL);
	CHECK(isnan(alpha_of(coincidence[0], 3)), "a unit with one rating tells nothing");
	(void) data_alpha_add(coincidence[0], 3, apart, NULL);
	(void) data_fleiss_add(fleiss[0], 3, apart, NULL);
	CHECK(fabs(fleiss_of(fleiss[0], 3) + 0.5) < 1e-15 && fabs(alpha_of(coincidence[0], 3)) < 1e-15,
		  "three raters, three opinions");
	clear();
	(void) data_cohen_add(confusion, 2, 0, 1, NULL);
	(void) data_cohen_add(confusion, 2, 1, 0, NULL);
	CHECK(cohen_of(2) == -1, "two raters who never agree");
}

static void
test_errors(void)
{
	static const uint32_t two[2] = { 1, 1 }, three[2] = { 2, 1 }, one[2] = { 0, 1 };
	static const uint32_t many[2] = { UINT32_MAX, UINT32_MAX };
	static const uint64_t vote_start[2] = { 0, 1 };
	static const uint32_t vote_label[1] = { 7 };
	data_label_rows votes = { 1, 5, vote_start, vote_label };
	uint32_t count[5], labels[5], size;
	em_status status = { 0 };
	double figure;

	clear();
	CHECK(data_cohen_add(confusion, 2, 0, 2, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "category 2 is not below the number of categories, 2") == 0,
		  "a category too high");
	CHECK(data_cohen_kappa(confusion, 0, &figure, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "0 categories are not between 1 and 4096") == 0,
		  "no categories");
	confusion[0] = confusion[1] = UINT64_C(1) << 62;
	CHECK(data_cohen_kappa(confusion, 2, &figure, &status) == EM_LIMIT, "counts that overflow");
	CHECK(data_fleiss_add(fleiss[0], 2, one, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "a unit with 1 ratings, where 2 or more are needed") == 0,
		  "a unit with one rating");
	CHECK(data_fleiss_add(fleiss[0], 2, many, &status) == EM_INVALID_DATA, "with too many");
	CHECK(data_fleiss_add(fleiss[0], 2, two, &status) == EM_OK &&
			  data_fleiss_add(fleiss[0], 2, three, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "a unit with 3 ratings beside units with 2") == 0 &&
			  status.hint[0] != '\0' && fleiss[0][DATA_FLEISS_UNITS] == 1,
		  "units with different numbers of ratings");
	(void) data_fleiss_add(fleiss[1], 2, three, &status);
	CHECK(data_fleiss_merge(fleiss[0], fleiss[1], 2, &status) == EM_INVALID_DATA,
		  "the same in two parts");
	fleiss[0][DATA_FLEISS_CATEGORY]++;
	CHECK(data_fleiss_kappa(fleiss[0], 2, &figure, &status) == EM_INVALID_DATA &&
			  data_fleiss_merge(fleiss[1], fleiss[0], 2, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "the state of Fleiss' kappa does not add up") == 0,
		  "a state that no units made");
	clear();
	(void) data_fleiss_add(fleiss[0], 2, two, &status);
	fleiss[0][DATA_FLEISS_SQUARES] = 5;
	CHECK(data_fleiss_kappa(fleiss[0], 2, &figure, &status) == EM_INVALID_DATA,
		  "more agreement than ratings allow");
	clear();
	coincidence[0][1] = 1;
	CHECK(data_alpha(coincidence[0], 2, &figure, &status) == EM_INVALID_DATA &&
			  strcmp(status.message, "cell (1, 2) of the coincidence matrix is 1") == 0,
		  "a matrix that is not symmetric");
	coincidence[0][1] = coincidence[0][2] = NAN;
	CHECK(data_alpha(coincidence[0], 2, &figure, &status) == EM_INVALID_DATA, "or holds NaN");
	coincidence[0][1] = coincidence[0][2] = -1;
	CHECK(data_alpha(coincidence[0], 2, &figure, &status) == EM_INVALID_DATA, "or less than 0");
	CHECK(data_majority(&votes, 1, count, labels, &size, &status) == EM_INVALID_DATA,
		  "a vote for a label that is not there");
	votes.labels = 0;
	votes.n = 0;
	CHECK(data_majority(&votes, 0, count, labels, &size, &status) == EM_INVALID_OPTION &&
			  strcmp(status.message, "the least number of votes is 0") == 0,
		  "a majority of nobody");
}

int
main(void)
{
	test_textbooks();
	test_against_reference();
	test_real_votes();
	test_majority();
	test_undefined();
	test_errors();
	return check_done();
}
