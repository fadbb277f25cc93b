/*
 * svg.h
 *	  Pictures as SVG text, in colours that a viewer's light or dark theme chooses.
 *
 * Positions are in pixels from the left upper corner. Text is escaped here, and nowhere else.
 */
#ifndef EMOTION_PG_SVG_H
#define EMOTION_PG_SVG_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "../base.h"

typedef enum SvgAnchor
{
	SVG_START,
	SVG_MIDDLE,
	SVG_END
} SvgAnchor;

/* One of the classes that SvgBegin() defines. */
#define SVG_PLAIN "plain"
#define SVG_QUIET "quiet"
#define SVG_HEADING "heading"
#define SVG_TITLE "title"
#define SVG_FIRST "first"   /* of the first of two things compared */
#define SVG_SECOND "second" /* of the second */
#define SVG_EMPTY "empty"   /* where there is nothing */

extern void SvgBegin(StringInfo svg, double width, double height, const char *title);
extern void SvgEnd(StringInfo svg);

/* As text between tags or within quotes; what XML cannot hold becomes '?'. */
extern void SvgEscape(StringInfo svg, em_slice text);

/* turn: degrees clockwise. At most `characters` of the text are shown, 0: all. */
extern void SvgText(StringInfo svg, double x, double y, const char *class, SvgAnchor anchor,
					double turn, em_slice text, int characters);
extern void SvgPrint(StringInfo svg, double x, double y, const char *class, SvgAnchor anchor,
					 const char *format, ...) EM_PRINTF(6, 7);

/* tip: shown by a viewer when pointed at, escaped already, or NULL. */
extern void SvgRect(StringInfo svg, double x, double y, double width, double height,
					const char *class, double opacity, const char *tip);
extern void SvgLine(StringInfo svg, double x1, double y1, double x2, double y2);

/* 1, 2 or 5 times a power of ten: the distance of at most `most` marks up to largest. */
extern double SvgStep(double largest, int most);

#endif /* EMOTION_PG_SVG_H */
