/*
 * label_picture.c
 *	  The labels of one or two sources as a picture: how many rows have each, and
 *	  which occur together.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "aggregate_state.h"
#include "label_report.h"
#include "svg.h"

#define WIDTH 960.0
#define MARGIN 24.0
#define NAMES 190.0 /* where names end and bars and cells begin */
#define HEADER 92.0
#define MAP_NAMES 105.0 /* height of the names above a map */
#define SHOWN_CHARACTERS 24

/* A label in one or both sources; NO_INDEX where it is not there. */
#define NO_INDEX (-1)

typedef struct ShownLabel
{
	em_slice name;
	int index[2];
	int64 count[2];
} ShownLabel;

typedef struct Picture
{
	const LabelFigures *figures[2];
	int sources; /* 1 or 2 */
	ShownLabel *labels;
	int count, shown;
} Picture;

static int
CompareShown(const void *left, const void *right)
{
	const ShownLabel *a = left;
	const ShownLabel *b = right;

	for (int i = 0; i < 2; i++)
		if (a->count[i] != b->count[i])
			return a->count[i] > b->count[i] ? -1 : 1;
	return CompareBytes(a->name, b->name);
}

/* Both sources' labels, which stand in byte order, as one list, the most frequent first. */
static void
JoinLabels(Picture *picture)
{
	int at[2] = { 0, 0 };
	int ends[2] = { 0, 0 };

	for (int s = 0; s < picture->sources; s++)
		ends[s] = picture->figures[s]->count;
	picture->labels = palloc(sizeof(ShownLabel) * (Size) Max(ends[0] + ends[1], 1));
	while (at[0] < ends[0] || at[1] < ends[1])
	{
		ShownLabel *label = &picture->labels[picture->count++];
		int order;

		if (at[0] == ends[0])
			order = 1;
		else if (at[1] == ends[1])
			order = -1;
		else
			order = CompareBytes(picture->figures[0]->labels[at[0]],
								 picture->figures[1]->labels[at[1]]);
		memset(label, 0, sizeof(*label));
		for (int s = 0; s < 2; s++)
		{
			label->index[s] = NO_INDEX;
			if (s == 0 ? order > 0 : order < 0)
				continue;
			label->name = picture->figures[s]->labels[at[s]];
			label->count[s] = picture->figures[s]->counts[at[s]];
			label->index[s] = at[s]++;
		}
	}
	qsort(picture->labels, (size_t) picture->count, sizeof(ShownLabel), CompareShown);
}

static const char *
SourceName(const Picture *picture, int source)
{
	return picture->sources == 1 ? "" : source == 0 ? "before" : "after";
}

static void
DrawHeader(StringInfo svg, const Picture *picture, const LabelReportOptions *options)
{
	double x = MARGIN;

	SvgText(svg, MARGIN, 36, SVG_TITLE, SVG_START, 0,
			(em_slice){ options->title, strlen(options->title) }, 80);
	for (int s = 0; s < picture->sources; s++)
	{
		const LabelFigures *figures = picture->figures[s];
		StringInfoData line;

		initStringInfo(&line);
		if (picture->sources == 2)
			appendStringInfo(&line, "%s: ", SourceName(picture, s));
		appendStringInfo(&line, INT64_FORMAT " row%s, %d label%s", figures->rows,
						 figures->rows == 1 ? "" : "s", figures->count,
						 figures->count == 1 ? "" : "s");
		if (!isnan(figures->mean_ir))
			appendStringInfo(&line, ", mean imbalance %.2f", figures->mean_ir);
		SvgRect(svg, x, 50, 10, 10, s == 0 ? SVG_FIRST : SVG_SECOND, 1.0, NULL);
		SvgPrint(svg, x + 16, 59, SVG_PLAIN, SVG_START, "%s", line.data);
		x += (WIDTH - 2 * MARGIN) / 2;
	}
	if (picture->shown < picture->count)
		SvgPrint(svg, WIDTH - MARGIN, 36, SVG_QUIET, SVG_END, "%d of %d labels", picture->shown,
				 picture->count);
}

static double
BarHeight(const Picture *picture)
{
	return picture->sources == 1 ? 14.0 : 9.0;
}

static double
RowHeight(const Picture *picture)
{
	return picture->sources * BarHeight(picture) + 6.0;
}

/* The length of the longest bar: what is beside names and counts. */
static double
BarRoom(const Picture *picture)
{
	return WIDTH - NAMES - (picture->sources == 1 ? 90.0 : 150.0);
}

static void
DrawBars(StringInfo svg, const Picture *picture, double top)
{
	double bottom = top + picture->shown * RowHeight(picture);
	double largest = 1.0, step;

	for (int i = 0; i < picture->shown; i++)
		for (int s = 0; s < picture->sources; s++)
			largest = Max(largest, (double) picture->labels[i].count[s]);
	step = SvgStep(largest, 6);
	for (int i = 0; i * step <= largest; i++)
	{
		double mark = i * step;
		double x = NAMES + BarRoom(picture) * mark / largest;

		SvgLine(svg, x, top - 4, x, bottom);
		SvgPrint(svg, x, top - 8, SVG_QUIET, SVG_MIDDLE, "%.0f", mark);
	}
	for (int i = 0; i < picture->shown; i++)
	{
		const ShownLabel *label = &picture->labels[i];
		double y = top + i * RowHeight(picture) + 3.0;

		SvgText(svg, NAMES - 8, y + picture->sources * BarHeight(picture) / 2 + 4, SVG_PLAIN,
				SVG_END, 0, label->name, SHOWN_CHARACTERS);
		for (int s = 0; s < picture->sources; s++)
		{
			double width = BarRoom(picture) * (double) label->count[s] / largest;

			SvgRect(svg, NAMES, y + s * BarHeight(picture), width, BarHeight(picture),
					s == 0 ? SVG_FIRST : SVG_SECOND, 1.0, NULL);
		}
		if (picture->sources == 1 || label->count[0] == label->count[1])
			SvgPrint(svg, NAMES + BarRoom(picture) * (double) label->count[0] / largest + 6,
					 y + picture->sources * BarHeight(picture) / 2 + 4, SVG_QUIET, SVG_START,
					 INT64_FORMAT, label->count[0]);
		else
			SvgPrint(
				svg,
				NAMES +
					BarRoom(picture) * (double) Max(label->count[0], label->count[1]) / largest + 6,
				y + BarHeight(picture) + 4, SVG_QUIET, SVG_START, INT64_FORMAT " to " INT64_FORMAT,
				label->count[0], label->count[1]);
	}
}

static double
CellSize(const Picture *picture)
{
	return Min(24.0, (WIDTH - NAMES - MARGIN) / Max(picture->shown, 1));
}

static double
MapHeight(const Picture *picture)
{
	return MAP_NAMES + 30.0 + CellSize(picture) * picture->shown + 60.0;
}

/* How a share looks: by its root, so that rare companions can still be told from none. */
static double
Shade(double share)
{
	return sqrt(share);
}

static void
DrawMap(StringInfo svg, const Picture *picture, int source, double top)
{
	const LabelFigures *figures = picture->figures[source];
	const char *class = source == 0 ? SVG_FIRST : SVG_SECOND;
	double cell = CellSize(picture);
	double gap = cell < 4.0 ? 0.0 : 1.0;
	double first = top + MAP_NAMES + 30.0;
	bool names = cell >= 11.0; /* smaller ones could not be read */
	StringInfoData tip;

	SvgPrint(svg, MARGIN, top + 14, SVG_HEADING, SVG_START,
			 "Of the rows with the label on the left, the share with the label above%s%s",
			 picture->sources == 2 ? ": " : "", SourceName(picture, source));
	initStringInfo(&tip);
	for (int i = 0; i < picture->shown; i++)
	{
		const ShownLabel *row = &picture->labels[i];

		if (names)
		{
			double middle = (i + 0.5) * cell;

			SvgText(svg, NAMES - 8, first + middle + 4, SVG_PLAIN, SVG_END, 0, row->name,
					SHOWN_CHARACTERS);
			SvgText(svg, NAMES + middle + 4, first - 6, SVG_PLAIN, SVG_START, -60, row->name,
					SHOWN_CHARACTERS - 6);
		}
		for (int j = 0; j < picture->shown; j++)
		{
			const ShownLabel *column = &picture->labels[j];
			double x = NAMES + j * cell;
			double y = first + i * cell;
			int64 together = 0;
			double share = 0.0;

			if (row->index[source] != NO_INDEX && column->index[source] != NO_INDEX)
				together = figures->together[(Size) row->index[source] * (Size) figures->count +
											 (Size) column->index[source]];
			if (row->count[source] > 0)
				share = (double) together / (double) row->count[source];
			if (i == j || together == 0)
			{
				SvgRect(svg, x, y, cell - gap, cell - gap, SVG_EMPTY, i == j ? 0.3 : 1.0, NULL);
				continue;
			}
			resetStringInfo(&tip);
			SvgEscape(&tip, row->name);
			appendStringInfoString(&tip, " with ");
			SvgEscape(&tip, column->name);
			appendStringInfo(&tip, ": " INT64_FORMAT " rows, %.1f%%", together, 100.0 * share);
			SvgRect(svg, x, y, cell - gap, cell - gap, SVG_EMPTY, 1.0, NULL);
			SvgRect(svg, x, y, cell - gap, cell - gap, class, Shade(share), tip.data);
		}
	}
	for (int i = 0; i <= 4; i++)
	{
		static const double shares[] = { 0.0, 0.01, 0.1, 0.5, 1.0 };
		double x = NAMES + i * 80.0;
		double y = first + cell * picture->shown + 14.0;

		SvgRect(svg, x, y, 14, 14, SVG_EMPTY, 1.0, NULL);
		if (i > 0)
			SvgRect(svg, x, y, 14, 14, class, Shade(shares[i]), NULL);
		SvgPrint(svg, x + 20, y + 11, SVG_QUIET, SVG_START, "%.0f%%", 100.0 * shares[i]);
	}
	pfree(tip.data);
}

text *
DrawLabels(const LabelFigures *before, const LabelFigures *after, const LabelReportOptions *options)
{
	Picture picture = { { before, after }, after ? 2 : 1, NULL, 0, 0 };
	double height, y = HEADER;
	StringInfoData svg;

	JoinLabels(&picture);
	picture.shown = Min(picture.count, options->labels);
	height = HEADER + picture.shown * RowHeight(&picture) + 30.0 +
			 (picture.shown > 0 ? picture.sources * MapHeight(&picture) : 0.0);
	initStringInfo(&svg);
	SvgBegin(&svg, WIDTH, height, options->title);
	DrawHeader(&svg, &picture, options);
	if (picture.shown > 0)
	{
		DrawBars(&svg, &picture, y);
		y += picture.shown * RowHeight(&picture) + 30.0;
		for (int s = 0; s < picture.sources; s++)
		{
			DrawMap(&svg, &picture, s, y);
			y += MapHeight(&picture);
		}
	}
	SvgEnd(&svg);
	return cstring_to_text_with_len(svg.data, svg.len);
}
