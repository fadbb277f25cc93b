/*
 * reliability_picture.c
 *	  Reliability diagrams: the share of texts that have a label against the mean
 *	  of their scores, for all labels together and small for each.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "calibrate.h"
#include "glue.h"
#include "svg.h"

#define WIDTH 960.0
#define MARGIN 24.0
#define HEADER 96.0
#define LARGE 380.0 /* side of the diagram of all labels */
#define LARGE_LEFT 84.0
#define LARGE_FOOT 64.0
#define COLUMNS 6
#define CELL ((WIDTH - 2 * MARGIN) / COLUMNS)
#define SMALL 134.0
#define CELL_HEIGHT 178.0
#define SHOWN_CHARACTERS 14

/* Quantile of the normal distribution for 95 %. */
#define NORMAL_95 1.959964

/* A square of the plot, whose coordinates run from 0 to 1. */
typedef struct Plot
{
	double left, top, side;
} Plot;

static double
PlotX(const Plot *plot, double x)
{
	return plot->left + x * plot->side;
}

static double
PlotY(const Plot *plot, double y)
{
	return plot->top + (1.0 - y) * plot->side;
}

static void
DrawFrame(StringInfo svg, const Plot *plot, int marks)
{
	for (int i = 0; i <= marks; i++)
	{
		double at = (double) i / marks;

		SvgLine(svg, PlotX(plot, at), PlotY(plot, 0), PlotX(plot, at), PlotY(plot, 1));
		SvgLine(svg, PlotX(plot, 0), PlotY(plot, at), PlotX(plot, 1), PlotY(plot, at));
	}
	SvgLine(svg, PlotX(plot, 0), PlotY(plot, 0), PlotX(plot, 1), PlotY(plot, 1));
}

/* Wilson's interval (1927) of a share. */
static void
ShareInterval(const data_reliability_bin *bin, double *low, double *high)
{
	double n = (double) bin->count;
	double share = (double) bin->positives / n;
	double z2 = NORMAL_95 * NORMAL_95;
	double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
	double half = NORMAL_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n);

	*low = Max(middle - half, 0.0);
	*high = Min(middle + half, 1.0);
}

static void
DrawIntervals(StringInfo svg, const Plot *plot, const Reliability *reliability, int bin_count)
{
	for (int b = 0; b < bin_count; b++)
	{
		const data_reliability_bin *bin = &reliability->bins[b];
		double x = PlotX(plot, bin->mean_score);
		double low, high;

		if (bin->count == 0)
			continue;
		ShareInterval(bin, &low, &high);
		SvgLine(svg, x, PlotY(plot, low), x, PlotY(plot, high));
	}
}

/* Each bin as a square, the larger the more scores are in it. */
static void
DrawBins(StringInfo svg, const Plot *plot, const Reliability *reliability, int bin_count,
		 const char *class)
{
	double unit = plot->side == SMALL ? 1.0 : 2.0;
	double most = log1p((double) reliability->figures.count);

	for (int b = 0; b < bin_count; b++)
	{
		const data_reliability_bin *bin = &reliability->bins[b];
		double size = unit * (2.0 + 4.0 * log1p((double) bin->count) / most);
		double share;

		if (bin->count == 0)
			continue;
		share = (double) bin->positives / (double) bin->count;
		SvgRect(svg, PlotX(plot, bin->mean_score) - size / 2, PlotY(plot, share) - size / 2, size,
				size, class, 0.85,
				psprintf("mean score %.3f, share right %.3f, " UINT64_FORMAT " scores",
						 bin->mean_score, share, bin->count));
	}
}

/* One label, or all, as it is and calibrated. */
static void
DrawBoth(StringInfo svg, const Plot *plot, const ReliabilityPicture *picture, int index)
{
	DrawIntervals(svg, plot, &picture->before[index], picture->bin_count);
	if (picture->after)
		DrawIntervals(svg, plot, &picture->after[index], picture->bin_count);
	DrawBins(svg, plot, &picture->before[index], picture->bin_count, SVG_FIRST);
	if (picture->after)
		DrawBins(svg, plot, &picture->after[index], picture->bin_count, SVG_SECOND);
}

static void
DrawLegend(StringInfo svg, double x, const char *class, const char *name, const Reliability *all)
{
	SvgRect(svg, x, 56, 10, 10, class, 1.0, NULL);
	SvgPrint(svg, x + 16, 65, SVG_PLAIN, SVG_START,
			 "%scalibration error %.4f, Brier score %.4f, log loss %.4f", name,
			 all->figures.calibration_error, all->figures.brier, all->figures.log_loss);
}

static void
Describe(StringInfo svg, const ReliabilityPicture *picture)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(
		&text,
		"Share of texts that have a label against the mean of their scores, in %d bins; "
		"on the diagonal scores mean what they say. All labels: calibration error %.4f, "
		"Brier score %.4f",
		picture->bin_count, picture->before->figures.calibration_error,
		picture->before->figures.brier);
	if (picture->after)
		appendStringInfo(&text, "; calibrated %.4f and %.4f",
						 picture->after->figures.calibration_error, picture->after->figures.brier);
	appendStringInfoString(svg, "<desc>");
	SvgEscape(svg, (em_slice){ text.data, (size_t) text.len });
	appendStringInfoString(svg, "</desc>\n");
}

static void
DrawLarge(StringInfo svg, const ReliabilityPicture *picture)
{
	const Plot plot = { LARGE_LEFT, HEADER, LARGE };

	DrawFrame(svg, &plot, 5);
	for (int i = 0; i <= 5; i++)
	{
		SvgPrint(svg, PlotX(&plot, i / 5.0), PlotY(&plot, 0) + 18, SVG_QUIET, SVG_MIDDLE, "%.1f",
				 i / 5.0);
		SvgPrint(svg, PlotX(&plot, 0) - 8, PlotY(&plot, i / 5.0) + 4, SVG_QUIET, SVG_END, "%.1f",
				 i / 5.0);
	}
	SvgPrint(svg, PlotX(&plot, 0.5), PlotY(&plot, 0) + 38, SVG_PLAIN, SVG_MIDDLE, "mean score");
	SvgText(svg, MARGIN + 12, PlotY(&plot, 0.5), SVG_PLAIN, SVG_MIDDLE, -90,
			(em_slice){ "share right", strlen("share right") }, 0);
	DrawBoth(svg, &plot, picture, 0);
}

/* Beside the large diagram: how to read it. */
static void
DrawNotes(StringInfo svg, const ReliabilityPicture *picture)
{
	static const char *const notes[] = {
		"Each square is a bin of scores of all labels together.",
		"On the diagonal a score means what it says; below it",
		"scores are too high, above it too low.",
		"Larger squares hold more scores (by the logarithm);",
		"lines are 95 % intervals of the share.",
	};
	double x = LARGE_LEFT + LARGE + 40;

	SvgPrint(svg, x, HEADER + 12, SVG_HEADING, SVG_START, "All labels together");
	for (int i = 0; i < (int) lengthof(notes); i++)
		SvgPrint(svg, x, HEADER + 38 + 20 * i, SVG_QUIET, SVG_START, "%s", notes[i]);
	SvgPrint(svg, x, HEADER + 38 + 20 * ((int) lengthof(notes) + 1), SVG_PLAIN, SVG_START,
			 UINT64_FORMAT " scores, of which " UINT64_FORMAT " are of labels that a text has",
			 picture->before->figures.count, picture->before->figures.positives);
}

static void
DrawSmall(StringInfo svg, const ReliabilityPicture *picture, int index, double top)
{
	const Reliability *before = &picture->before[index];
	int line = (index - 1) / COLUMNS;
	int column = (index - 1) % COLUMNS;
	const Plot plot = { MARGIN + column * CELL, top + line * CELL_HEIGHT + 20, SMALL };
	const char *label = CStringFromUtf8(before->label, strlen(before->label));

	SvgText(svg, plot.left, plot.top - 7, SVG_PLAIN, SVG_START, 0,
			(em_slice){ label, strlen(label) }, SHOWN_CHARACTERS);
	SvgPrint(svg, plot.left + SMALL, plot.top - 7, SVG_QUIET, SVG_END, "%.3f",
			 (picture->after ? &picture->after[index] : before)->figures.calibration_error);
	DrawFrame(svg, &plot, 2);
	DrawBoth(svg, &plot, picture, index);
}

text *
DrawReliability(const ReliabilityPicture *picture)
{
	double top = HEADER + LARGE + LARGE_FOOT;
	int lines = (picture->count - 1 + COLUMNS - 1) / COLUMNS;
	StringInfoData svg;

	initStringInfo(&svg);
	SvgBegin(&svg, WIDTH, top + 30 + lines * CELL_HEIGHT + MARGIN, picture->title);
	Describe(&svg, picture);
	SvgText(&svg, MARGIN, 36, SVG_TITLE, SVG_START, 0,
			(em_slice){ picture->title, strlen(picture->title) }, 80);
	DrawLegend(&svg, MARGIN, SVG_FIRST, picture->after ? "as it is: " : "", picture->before);
	if (picture->after)
		DrawLegend(&svg, WIDTH / 2, SVG_SECOND, "calibrated: ", picture->after);
	DrawLarge(&svg, picture);
	DrawNotes(&svg, picture);
	SvgPrint(&svg, MARGIN, top + 8, SVG_HEADING, SVG_START,
			 "Each label, with its calibration error%s", picture->after ? " when calibrated" : "");
	for (int i = 1; i < picture->count; i++)
		DrawSmall(&svg, picture, i, top + 24);
	SvgEnd(&svg);
	return cstring_to_text_with_len(svg.data, svg.len);
}
