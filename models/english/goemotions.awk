# labels.txt and one of GoEmotions' TSV files -> what COPY reads as (text, labels, split, id).
#   awk -f goemotions.awk -v split_name=train labels.txt train.tsv
# COPY's text format takes a backslash for its own; nothing else needs escaping.
BEGIN { FS = OFS = "\t" }
NR == FNR { name[FNR - 1] = $1; next }
{
	n = split($2, id, ",")
	labels = ""
	for (i = 1; i <= n; i++)
		labels = labels (i > 1 ? "," : "") name[id[i]]
	gsub(/\\/, "\\\\", $1)
	print $1, "{" labels "}", split_name, $3
}
