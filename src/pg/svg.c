/*
 * svg.c
 *	  Pictures as SVG text.
 */
#include "postgres.h"

#include "svg.h"

#include <math.h>

#include "mb/pg_wchar.h"

static const char style[] =
	"text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
	"font-size:12px;fill:#1f2328}"
	"text.title{font-size:18px;font-weight:600}text.heading{font-size:14px;font-weight:600}"
	"text.quiet{fill:#59636e}rect.paper{fill:#ffffff}line{stroke:#d1d9e0;stroke-width:1}"
	"rect.first{fill:#0969da}rect.second{fill:#bc4c00}rect.empty{fill:#eaeef2}"
	"@media(prefers-color-scheme:dark){text{fill:#f0f6fc}text.quiet{fill:#9198a1}"
	"rect.paper{fill:#0d1117}line{stroke:#3d444d}rect.first{fill:#4493f8}"
	"rect.second{fill:#f0883e}rect.empty{fill:#212830}}";

/* Two decimals at most. */
static void
AppendNumber(StringInfo svg, double number)
{
	long hundredths = lround(number * 100.0);

	appendStringInfo(svg, "%s%ld", hundredths < 0 ? "-" : "", labs(hundredths) / 100);
	if (hundredths % 100 != 0)
		appendStringInfo(svg, ".%02ld", labs(hundredths) % 100);
}

static void
AppendAttribute(StringInfo svg, const char *name, double number)
{
	appendStringInfo(svg, " %s=\"", name);
	AppendNumber(svg, number);
	appendStringInfoChar(svg, '"');
}

void
SvgEscape(StringInfo svg, em_slice text)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;

	for (size_t i = 0; i < text.length; i++)
	{
		unsigned char byte = (unsigned char) text.bytes[i];

		if (byte == '&')
			appendStringInfoString(svg, "&amp;");
		else if (byte == '<')
			appendStringInfoString(svg, "&lt;");
		else if (byte == '>')
			appendStringInfoString(svg, "&gt;");
		else if (byte == '"')
			appendStringInfoString(svg, "&quot;");
		else if (byte == '\'')
			appendStringInfoString(svg, "&#39;");
		else if (byte < ' ')
			appendStringInfoChar(svg, byte == '\t' || byte == '\n' || byte == '\r' ? ' ' : '?');
		else if (utf8 && byte == 0xEF && i + 2 < text.length &&
				 (unsigned char) text.bytes[i + 1] == 0xBF &&
				 (unsigned char) text.bytes[i + 2] >= 0xBE)
		{
			/* U+FFFE and U+FFFF */
			appendStringInfoChar(svg, '?');
			i += 2;
		}
		else
			appendStringInfoChar(svg, (char) byte);
	}
}

static em_slice
Slice(const char *text)
{
	return (em_slice){ text, strlen(text) };
}

void
SvgBegin(StringInfo svg, double width, double height, const char *title)
{
	appendStringInfoString(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"");
	AppendAttribute(svg, "width", width);
	AppendAttribute(svg, "height", height);
	appendStringInfoString(svg, " viewBox=\"0 0 ");
	AppendNumber(svg, width);
	appendStringInfoChar(svg, ' ');
	AppendNumber(svg, height);
	appendStringInfoString(svg, "\">\n<title>");
	SvgEscape(svg, Slice(title));
	appendStringInfo(svg, "</title>\n<style>%s</style>\n", style);
	SvgRect(svg, 0, 0, width, height, "paper", 1.0, NULL);
}

void
SvgEnd(StringInfo svg)
{
	appendStringInfoString(svg, "</svg>\n");
}

void
SvgText(StringInfo svg, double x, double y, const char *class, SvgAnchor anchor, double turn,
		em_slice text, int characters)
{
	static const char *const anchors[] = { "start", "middle", "end" };
	size_t shown = text.length;

	if (characters > 0)
		shown = (size_t) pg_mbcharcliplen(text.bytes, (int) text.length, characters);
	appendStringInfo(svg, "<text class=\"%s\"", class);
	AppendAttribute(svg, "x", x);
	AppendAttribute(svg, "y", y);
	if (anchor != SVG_START)
		appendStringInfo(svg, " text-anchor=\"%s\"", anchors[anchor]);
	if (turn != 0.0)
	{
		appendStringInfoString(svg, " transform=\"rotate(");
		AppendNumber(svg, turn);
		appendStringInfoChar(svg, ' ');
		AppendNumber(svg, x);
		appendStringInfoChar(svg, ' ');
		AppendNumber(svg, y);
		appendStringInfoString(svg, ")\"");
	}
	appendStringInfoChar(svg, '>');
	if (shown < text.length)
	{
		/* all of it for who points at it */
		appendStringInfoString(svg, "<title>");
		SvgEscape(svg, text);
		appendStringInfoString(svg, "</title>");
	}
	SvgEscape(svg, (em_slice){ text.bytes, shown });
	appendStringInfoString(svg, shown < text.length ? "&#8230;</text>\n" : "</text>\n");
}

void
SvgPrint(StringInfo svg, double x, double y, const char *class, SvgAnchor anchor,
		 const char *format, ...)
{
	StringInfoData text;

	initStringInfo(&text);
	for (;;)
	{
		va_list arguments;
		int needed;

		va_start(arguments, format);
		needed = appendStringInfoVA(&text, format, arguments);
		va_end(arguments);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	SvgText(svg, x, y, class, anchor, 0.0, (em_slice){ text.data, (size_t) text.len }, 0);
	pfree(text.data);
}

void
SvgRect(StringInfo svg, double x, double y, double width, double height, const char *class,
		double opacity, const char *tip)
{
	appendStringInfo(svg, "<rect class=\"%s\"", class);
	AppendAttribute(svg, "x", x);
	AppendAttribute(svg, "y", y);
	AppendAttribute(svg, "width", width);
	AppendAttribute(svg, "height", height);
	if (opacity < 1.0)
		AppendAttribute(svg, "fill-opacity", opacity);
	if (tip)
		appendStringInfo(svg, "><title>%s</title></rect>\n", tip);
	else
		appendStringInfoString(svg, "/>\n");
}

void
SvgLine(StringInfo svg, double x1, double y1, double x2, double y2)
{
	appendStringInfoString(svg, "<line");
	AppendAttribute(svg, "x1", x1);
	AppendAttribute(svg, "y1", y1);
	AppendAttribute(svg, "x2", x2);
	AppendAttribute(svg, "y2", y2);
	appendStringInfoString(svg, "/>\n");
}

double
SvgStep(double largest, int most)
{
	static const double steps[] = { 2.0, 2.5, 2.0 }; /* 1, 2, 5, 10 */
	double step = 1.0;

	for (int i = 0; largest / step > most; i = (i + 1) % (int) lengthof(steps))
		step *= steps[i];
	return step;
}
