/*
 * balance.h
 *	  Plans that bring the labels of a data set into balance: which rows to take,
 *	  to leave, to repeat, to split, to make, and why.
 *
 * A plan is made of steps, each working on what the one before left:
 *
 *	  quota     fills each label to its target from sources in order of trust;
 *	            see below
 *	  ml_ros    (Charte et al. 2015) one clone in turn from the rows of each
 *	            label with IRLbl > MeanIR, until its IRLbl, of the counts then,
 *	            is at most MeanIR, of the counts before, or `percent` of the
 *	            rows are cloned. to_target: labels under their target, until
 *	            they reach it
 *	  ml_rus    drops `percent` of the rows, drawn without replacement from
 *	            those that have labels, none with IRLbl > MeanIR
 *	  lp_ros    (Charte et al. 2013) clones `percent` of the rows, spread over
 *	            the label sets with fewer rows than the mean, largest first:
 *	            each gets an equal share of what is still to give, but is not
 *	            brought over the mean (rounded down)
 *	  lp_rus    drops `percent`, spread over the sets with more rows than the
 *	            mean, smallest first, none brought under the mean (rounded up)
 *	  remedial  (Charte et al. 2015) a row whose SCUMBLE is over the mean becomes
 *	            two, one with its labels of IRLbl > MeanIR, one with the others;
 *	            a row that has but one kind stays whole
 *	  mlsmote   (Charte et al. 2015) for each row of each label with IRLbl >
 *	            MeanIR a synthetic row between it and one of its k nearest rows
 *	            of that label, drawn at random. to_target: for each label under
 *	            its target, rows in random order, in turns, until it is reached
 *	  mlenn     (Charte et al. 2014) drops a row that has labels, none with IRLbl
 *	            > MeanIR, when at least half of its k nearest rows' label sets
 *	            differ from its own by more than threshold: |Y ^ Y'| / (|Y| + |Y'|)
 *
 * IRLbl, MeanIR and SCUMBLE (label_stats.h) are those of the rows before the
 * step. Neighbours are by Euclidean distance, ties to the earlier row; synthetic
 * rows and copies are nobody's neighbours. Time is near the number of labels
 * given but for mlsmote and mlenn, which compare all pairs of rows (of a label).
 *
 * Quota chooses how many rows of each label set to take so as to minimise
 *	  1. the largest deviation, max_l |n_l - t_l| / t_l
 *	  2. sum_l ((n_l - t_l) / t_l)^2
 *	  3. the ranks of the rows' sources (0: the most trusted), summed over the
 *	     labels taken
 * in this order, but for the sake of 3 the squares may be worse by as much as
 * one row of each label makes; labels without a target count nowhere. Of rows with equal
 * labels the more trusted go first, then the more confident, then those the
 * seed picks. It begins with the best that the most trusted source can do alone
 * and lets the others in where they are missed. Rows are repeated, in order of
 * trust again, only for labels that are short without. The search is local;
 * plan->bound is what no choice of rows could beat.
 */
#ifndef EMOTION_DATA_BALANCE_H
#define EMOTION_DATA_BALANCE_H

#include "label_rows.h"
#include "label_sets.h"

#define DATA_MAX_SOURCES 16
#define DATA_MAX_BALANCE_STEPS 16
#define DATA_MAX_COPIES 1000
#define DATA_MAX_NEIGHBOURS 100
#define DATA_NONE UINT32_MAX /* no row, no label */

typedef struct data_balance_input
{
	const data_label_rows *rows;
	uint32_t sources;        /* 1 .. DATA_MAX_SOURCES */
	const uint8_t *source;   /* (n) below sources, 0 the most trusted; NULL: all 0 */
	const float *confidence; /* (n) 0..1; NULL: all 1 */
	const uint64_t *group;   /* (n) rows with the same number are duplicates; NULL: none are */
	const uint64_t *target;  /* (L) rows wanted, 0: no target; NULL: no label has one */
	const float *features;   /* (n, dimension), finite; NULL unless mlsmote or mlenn is asked for */
	uint32_t dimension;
} data_balance_input;

typedef enum data_balance_method
{
	DATA_QUOTA,
	DATA_ML_ROS,
	DATA_ML_RUS,
	DATA_LP_ROS,
	DATA_LP_RUS,
	DATA_REMEDIAL,
	DATA_MLSMOTE,
	DATA_MLENN,
} data_balance_method;

/* What labels a synthetic row gets from its seed and the seed's neighbours. */
typedef enum data_label_rule
{
	DATA_LABELS_RANKING, /* those of more than half of them */
	DATA_LABELS_UNION,
	DATA_LABELS_INTERSECTION,
} data_label_rule;

typedef struct data_balance_step
{
	data_balance_method method;
	double percent;       /* ml_ros, lp_ros: over 0; ml_rus, lp_rus: over 0, at most 100 */
	bool to_target;       /* ml_ros (percent is not looked at), mlsmote */
	uint32_t max_copies;  /* quota: how often a row may be used; 0 is 1 */
	uint32_t neighbours;  /* mlsmote, mlenn: k */
	data_label_rule rule; /* mlsmote */
	double threshold;     /* mlenn: 0..1 */
	/* quota: (sources), rows below are left; of duplicates that remain, one is used. NULL: all 0 */
	const float *min_confidence;
} data_balance_step;

typedef struct data_balance_options
{
	const data_balance_step *steps;
	uint32_t step_count; /* 1 .. DATA_MAX_BALANCE_STEPS */
	uint64_t seed;
	em_should_stop should_stop; /* may be NULL */
	void *stop_context;
} data_balance_options;

/* -- the plan -- */

typedef enum data_plan_kind
{
	DATA_PLAN_ROW,       /* an input row as it is */
	DATA_PLAN_HALF,      /* an input row with some of its labels (remedial) */
	DATA_PLAN_SYNTHETIC, /* made between two rows (mlsmote) */
} data_plan_kind;

typedef enum data_plan_reason
{
	DATA_KEPT,     /* nothing was decided about it */
	DATA_TAKEN,    /* quota took it */
	DATA_MADE,     /* a step made it: a copy, a half, a synthetic row */
	DATA_SURPLUS,  /* from here on it is out. quota: more would not bring the labels nearer */
	DATA_UNWANTED, /* quota: none of its labels has a target */
	DATA_UNSURE,   /* quota: confidence below the least of its source */
	DATA_REPEATED, /* quota: a better duplicate stands */
	DATA_REDUCED,  /* ml_rus, lp_rus */
	DATA_NOISE,    /* mlenn */
} data_plan_reason;

typedef struct data_plan_row
{
	uint32_t row;       /* input row, from 0; of a synthetic one, its seed */
	uint32_t set;       /* its labels: number in plan->sets */
	uint32_t neighbour; /* synthetic: the other input row; else DATA_NONE */
	uint32_t copy_of;   /* number of the plan's row that it repeats; else DATA_NONE */
	uint32_t label;     /* for whose sake it is taken or made; else DATA_NONE */
	uint8_t kind;       /* data_plan_kind */
	uint8_t made_by;    /* number of the step, from 1; 0: none */
	uint8_t reason;     /* data_plan_reason: the last decision */
	uint8_t step;       /* who took it, from 1; 0: nobody */
	uint64_t draw;      /* synthetic: what its features are drawn with */
} data_plan_row;

typedef enum data_unreached
{
	DATA_REACHED,         /* or no target */
	DATA_NO_MORE_ROWS,    /* short: every usable row is in */
	DATA_WOULD_OVERFILL,  /* short: rows are left, but they carry other labels too */
	DATA_CARRIED_OVER_IT, /* over: rows taken for other labels, or left alone, carry it */
} data_unreached;

typedef struct data_label_balance
{
	uint64_t before, after, target;
	uint64_t copies, synthetic; /* of `after`; a copy of a synthetic row is a copy */
	uint64_t refused;           /* rows with it out as unsure, repeated or noise */
	uint64_t surplus;           /* rows with it out as surplus or reduced */
	data_unreached unreached;
} data_label_balance;

typedef struct data_balance_plan
{
	uint32_t labels, sources;
	/* the n input rows, dropped ones too, in their order; then what was made, in order */
	data_plan_row *row;
	uint64_t row_count;
	uint64_t rows_after; /* those that are in */
	data_label_sets *sets;
	data_label_balance *label; /* (L) */
	uint64_t *from_source;     /* (L, sources) rows of `after` that are no copies nor synthetic */
	double deviation;          /* max_l |n_l - t_l| / t_l after all steps; NaN without targets */
	double squares;            /* sum of its square over labels */
	/*
	 * Of the last quota step: the deviation reached there, and what it cannot be
	 * below with the rows at hand; NaN without quota.
	 */
	double quota_deviation, bound;
	em_allocator allocator;
} data_balance_plan;

static inline bool
data_plan_dropped(const data_plan_row *row)
{
	return row->reason >= DATA_SURPLUS;
}

/*
 * The same input with the same options gives the same plan. Memory is about 100
 * bytes a row. The allocator must outlive the plan. EM_INVALID_OPTION,
 * EM_INVALID_DATA, EM_LIMIT, EM_CANCELLED, EM_OUT_OF_MEMORY; *plan is set only
 * on EM_OK.
 */
em_code data_balance(const em_allocator *allocator, const data_balance_input *input,
					 const data_balance_options *options, data_balance_plan **plan,
					 em_status *status);

/* plan: may be NULL. */
void data_balance_plan_destroy(data_balance_plan *plan);

/*
 * The features of a row of the plan, `out` (dimension): those of its input row;
 * of a synthetic one x_j + u_j (x'_j - x_j), x' its neighbour's, and u_j even in
 * [0, 1): the top 24 bits of splitmix64's output j of the sequence of row->draw.
 */
void data_plan_features(const data_plan_row *row, const float *features, uint32_t dimension,
						float *out);

#endif /* EMOTION_DATA_BALANCE_H */
