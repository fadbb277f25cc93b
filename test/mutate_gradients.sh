#!/usr/bin/env bash
# Can the gradient tests fail? Plant one mistake at a time in a copy of the backward code and
# demand, as TAP, that the test of that layer finds it. A mistake is a line "FIND ;; PUT" (PUT
# may be empty; blanks stand for any white space) below the file it goes into; FIND must occur
# exactly once, so that a change of the code cannot silently disarm the check.
#
#   test/mutate_gradients.sh [WORD]     only mistakes whose line holds WORD
#
# plant is called through xargs, which shellcheck cannot see:
# shellcheck disable=SC2016,SC2317
set -uo pipefail
cd "$(dirname "$0")/.." || exit
word=${1:-}
compiler=${UNIT_CC:-gcc}
flags="-std=gnu11 -O0 -w -pthread"
jobs=$(nproc 2>/dev/null || echo 2)
built=build/mutate
programs=(test_gradients test_gradients_loss test_gradients_network test_gradients_encoder)

# The unchanged code first, without sanitizers: built once, and again only where it changed.
if ! MAKEFLAGS='' ${MAKE:-make} -s -j"$jobs" -f test/plain.mk B=$built UNIT_CC="$compiler" \
	UNIT_FLAGS="$flags -MMD -MP" "${programs[@]/#/$built/unit/}" >&2; then
	echo "Bail out! the gradient tests do not build"
	exit 1
fi

work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
export work built compiler flags

# FILE NUMBER FIND PUT: prints the line of TAP, and "# ..." with the reason of a failure. A program
# whose first failure has been seen ends there.
plant() {
	local file=$1 number=$2 find=$3 put=$4
	local place=$work/$number room=src/${file%/*} source=${file##*/} program
	local name="$file: \"$find\" -> \"$put\""

	mkdir "$place"
	if ! FIND=$find PUT=$put perl -0777 -e '
		my $text = <STDIN>;
		my $find = join q(\s+), map { quotemeta } split q( ), $ENV{FIND};
		my $count = ($text =~ s/$find/$ENV{PUT}/g);
		print $text;
		exit($count == 1 ? 0 : 1);' <"src/$file" >"$place/$source"; then
		echo "not ok $number - $name"
		echo "#   what is to be replaced does not occur exactly once: the check is disarmed"
		return
	fi
	case $file in
		nn/loss.c) program=test_gradients_loss ;;
		model/network.c) program=test_gradients_network ;;
		model/encoder*.c | nn/transformer.c | nn/simd_transformer.h) program=test_gradients_encoder ;;
		*) program=test_gradients ;;
	esac
	if [[ $source == simd_*.h ]]; then
		# what includes it must lie beside it
		cp -n "$room/simd_kernels.h" "$place/"
		source=simd_baseline.c
		cp "$room/$source" "$place/"
	fi
	# The object comes before the archive, which then keeps its own to itself.
	# shellcheck disable=SC2086
	if ! "$compiler" $flags -DEMOTION_DOUBLE -iquote "$room" -c -o "$place/mutant.o" \
		"$place/$source" >"$place/log" 2>&1 ||
		! "$compiler" $flags -o "$place/mutant" $built/double/test/unit/$program.o \
			"$place/mutant.o" $built/double.a -ldl -lm >>"$place/log" 2>&1; then
		echo "not ok $number - $name"
		echo "#   does not compile:"
		sed 's/^/#   /' "$place/log"
	elif ! "$place/mutant" 2>&1 | grep -qE '^not ok .*(gradient|finite)'; then
		echo "not ok $number - $name"
		echo "#   $program did not notice"
	else
		echo "ok $number - $name"
	fi
	rm -rf "$place"
}
export -f plant

# Without a mistake the very same programs must be content.
number=0
status=0
for program in "${programs[@]}"; do
	number=$((number + 1))
	if "$built/unit/$program" >"$work/log" 2>&1; then
		echo "ok $number - $program passes on unchanged code"
	else
		status=1
		echo "not ok $number - $program passes on unchanged code"
		grep -A 2 '^not ok' "$work/log" | sed 's/^/#   /'
	fi
done

exec 3>&1
while IFS= read -r line; do
	case $line in
		'') ;;
		'== '*) file=${line#== } ;;
		*" ;; "*)
			[[ -z $word || "$file $line" == *"$word"* ]] || continue
			number=$((number + 1))
			put=${line#* ;; }
			printf '%s\0%s\0%s\0%s\0' "$file" "$number" "${line%% ;; *}" "$put"
			;;
		*)
			echo "Bail out! not understood: \"$line\"" >&3
			exit 1
			;;
	esac
done >"$work/list" <<'MISTAKES'
== nn/layers.c
y[e] += x[e] * word; ;; y[e] -= x[e] * word;
y[e] += x[e] * word; ;; y[e] = x[e] * word;
y[e] += x[e] * word; ;; y[e] += x[e];
y[e] += x[e] * spatial[e] * word; ;; y[e] += x[e] * spatial[e];
y[e] += x[e] * spatial[e] * word; ;; y[e] += x[e] * word;
const real *row = d_columns + (batch->offset[t] + b) * width * dim; ;; const real *row = d_columns + batch->offset[t] * width * dim;
if (at < 0 || at >= (ptrdiff_t) batch->length[b]) continue; ;; if (at < 0 || at > (ptrdiff_t) t) continue;
spatial + b * dim : NULL, word ? word[source] : 1, d_vectors ;; spatial : NULL, word ? word[source] : 1, d_vectors
word ? word[source] : 1, d_vectors + batch->token[source] * dim ;; word ? word[batch->offset[t] + b] : 1, d_vectors + batch->token[source] * dim
d_vectors + batch->token[source] * dim ;; d_vectors + batch->token[batch->offset[t] + b] * dim
out, in, rows, 1, d_y, ld_dy, x, ld_x, 1, d_weight, in); ;; out, in, rows, -1, d_y, ld_dy, x, ld_x, 1, d_weight, in);
out, in, rows, 1, d_y, ld_dy, x, ld_x, 1, d_weight, in); ;; out, in, rows, 1, d_y, ld_dy, x, ld_x, 0, d_weight, in);
nn_add_bias_backward(rows, out, d_y, ld_dy, d_bias); ;; nn_add_bias_backward(rows - 1, out, d_y, ld_dy, d_bias);
rows, in, out, 1, d_y, ld_dy, weight, in, accumulate ? 1 : 0 ;; rows, in, out, -1, d_y, ld_dy, weight, in, accumulate ? 1 : 0
accumulate ? 1 : 0 ;; 1
accumulate ? 1 : 0 ;; 0
memset(d_c, 0, batch->sequences * hidden * sizeof(real)); ;;  
size_t t = backward ? step : batch->steps - 1 - step; ;; size_t t = batch->steps - 1 - step;
c + before * hidden, tanh_c + row * hidden, d_h + row * ld_h ;; c + row * hidden, tanh_c + row * hidden, d_h + row * ld_h
c + before * hidden, tanh_c + row * hidden, d_h + row * ld_h ;; NULL, tanh_c + row * hidden, d_h + row * ld_h
known, hidden, 4 * hidden, 1, gates ;; known, hidden, 4 * hidden, -1, gates
known, hidden, 4 * hidden, 1, gates ;; known, hidden, 3 * hidden, 1, gates
weight, hidden, 1, d_h + before * ld_h, ld_h); ;; weight, hidden, 0, d_h + before * ld_h, ld_h);
memcpy(h_before + (row + b) * hidden, h + (before + b) * ld_h, ;; memcpy(h_before + (row + b) * hidden, h + (row + b) * ld_h,
d_c_row += known * hidden; ;;  
memset(h_before + row * hidden, 0, fresh * hidden * sizeof(real)); ;;  
gates, ld_gates, h_before, hidden, 1, d_weight ;; gates, ld_gates, h_before, hidden, 0, d_weight
hidden, batch->rows, 1, gates, ld_gates, h_before ;; hidden, batch->rows, -1, gates, ld_gates, h_before
mean += attention[row] * d_score[row]; ;; mean -= attention[row] * d_score[row];
d_score[row] = attention[row] * (d_score[row] - mean); ;; d_score[row] = attention[row] * d_score[row];
d_score[row] = attention[row] * (d_score[row] - mean); ;; d_score[row] = d_score[row] - mean;
d_x[row * dim + d] = attention[row] * d_pooled[b * dim + d]; ;; d_x[row * dim + d] = 0;
d_x[row * dim + d] = attention[row] * d_pooled[b * dim + d]; ;; d_x[row * dim + d] = -attention[row] * d_pooled[b * dim + d];
nn_axpy(attention_dim, d_score[row], u_row, d_query); ;; nn_axpy(attention_dim, -d_score[row], u_row, d_query);
u_row[a] = d_score[row] * query[a] * (1 - u_row[a] * u_row[a]); ;; u_row[a] = d_score[row] * query[a] * (1 + u_row[a] * u_row[a]);
u_row[a] = d_score[row] * query[a] * (1 - u_row[a] * u_row[a]); ;; u_row[a] = d_score[row] * query[a];
u_row[a] = d_score[row] * query[a] * (1 - u_row[a] * u_row[a]); ;; u_row[a] = -d_score[row] * query[a] * (1 - u_row[a] * u_row[a]);
d_bias, d_x, dim, true); ;; d_bias, d_x, dim, false);
d_bias, d_x, dim, true); ;; NULL, d_x, dim, true);
nn_axpy(dim, share[row], d_y + row * dim, d_x + row * dim); ;; nn_axpy(dim, 1, d_y + row * dim, d_x + row * dim);
nn_axpy(dim, 1 - share[row], d_y + row * dim, d_x + partner[row] * dim); ;;  ;
nn_axpy(dim, 1 - share[row], d_y + row * dim, d_x + partner[row] * dim); ;; nn_axpy(dim, 1 - share[row], d_y + partner[row] * dim, d_x + row * dim);
nn_axpy(dim, 1 - share[row], d_y + row * dim, d_x + partner[row] * dim); ;; nn_axpy(dim, share[row], d_y + row * dim, d_x + partner[row] * dim);
memset(d_x, 0, rows * dim * sizeof(real)); ;;  ;
== nn/loss.c
-focus * (gamma * (1 - q) * minus_log_p + q) ;; focus * (gamma * (1 - q) * minus_log_p + q)
-focus * (gamma * (1 - q) * minus_log_p + q) ;; -focus * q
-focus * (gamma * (1 - q) * minus_log_p + q) ;; -focus * (gamma * (1 - q) * minus_log_p - q)
-focus * (gamma * (1 - q) * minus_log_p + q) ;; -focus * (gamma * q * minus_log_p + q)
result.slope = -result.slope; ;;  
gamma * pow(q, gamma - 1) * minus_log) ;; 0)
gamma * pow(q, gamma - 1) * minus_log) ;; -gamma * pow(q, gamma - 1) * minus_log)
gamma * pow(q, gamma - 1) * minus_log) ;; pow(q, gamma - 1) * minus_log)
pow(q, gamma) / (1 - q)) ;; pow(q, gamma) / (1 - p))
* p * (1 - p); ;; * q * (1 - q);
if (q <= 0) return result; ;; if (q <= -1) return result;
t->slope *= factor; ;;  
(y * positive.slope + (1 - y) * negative.slope) ;; (y * positive.slope - (1 - y) * negative.slope)
(y * positive.slope + (1 - y) * negative.slope) ;; (positive.slope + (1 - y) * negative.slope)
(y * positive.slope + (1 - y) * negative.slope) ;; (y * positive.slope + negative.slope)
(real) (weight * (y * positive.slope ;; (real) (scale * (y * positive.slope
(loss->shift ? loss->shift[label] : 0); ;; 0;
(loss->shift ? loss->shift[label] : 0); ;; -(loss->shift ? loss->shift[label] : 0);
weight *= balanced_weight(loss, label, rarity); ;;  ;
focal_negative(loss->negative_scale * z, loss->gamma_positive); ;; focal_negative(z, loss->gamma_positive);
negative.value /= loss->negative_scale; ;; scale_term(&negative, 1 / loss->negative_scale);
negative.value /= loss->negative_scale; ;;  ;
loss->rarity[label] / row_rarity ;; row_rarity / loss->rarity[label]
(targets[label] - loss->smoothing / 2) / (1 - loss->smoothing) ;; targets[label]
targets + row * labels) : 0; ;; targets) : 0;
(share - middle)) ;; (share + middle))
== nn/simd_kernels.h
v_where_positive(v_get(y + (i), (count)), v_get(dy + (i), (count))) ;; v_get(dy + (i), (count))
v_where_positive(v_get(y + (i), (count)), v_get(dy + (i), (count))) ;; v_where_positive(v_get(y + (i), (count)), -v_get(dy + (i), (count)))
(ROW(2, i, count) + ROW(3, i, count)) ;; (ROW(2, i, count) - ROW(3, i, count))
kernel_axpy(columns, 1, dy, dbias); ;; kernel_axpy(columns, -1, dy, dbias);
v_get(dc + u, count) + output * o * (one - cell * cell); ;; v_get(dc + u, count) - output * o * (one - cell * cell);
v_get(dc + u, count) + output * o * (one - cell * cell); ;; output * o * (one - cell * cell);
v_get(dc + u, count) + output * o * (one - cell * cell); ;; v_get(dc + u, count) + output * o * (one + cell * cell);
forget = state * v_get(c_previous + u, count) * f * (one - f); ;;  ;
forget = state * v_get(c_previous + u, count) * f * (one - f); ;; forget = -state * v_get(c_previous + u, count) * f * (one - f);
state * g * i * (one - i) ;; -state * g * i * (one - i)
state * i * (one - g * g) ;; state * i * (one - g)
output * cell * o * (one - o) ;; state * cell * o * (one - o)
v_put(dc + u, state * f, count); ;; v_put(dc + u, state, count);
== nn/simd_transformer.h
v_fma(x * v_set((real) 0.39894228040143267794), bell, phi); ;; phi;
v_fma(x * v_set((real) 0.39894228040143267794), bell, phi); ;; v_fma(v_set((real) 0.39894228040143267794), bell, phi);
v_put(y + i, x * phi, count); ;; v_put(y + i, x, count);
v_get(p + (i), (count)) * (v_get(dp + (i), (count)) - mean) * factor ;; v_get(p + (i), (count)) * v_get(dp + (i), (count)) * factor
v_get(p + (i), (count)) * (v_get(dp + (i), (count)) - mean) * factor ;; v_get(p + (i), (count)) * (v_get(dp + (i), (count)) - mean)
vreal g = d * v_get(scale + (i), count); ;; vreal g = d;
v_fma(d, n, v_get(dscale + (i), count)) ;; d * n
v_fma(d, n, v_get(dscale + (i), count)) ;; v_fma(d, d, v_get(dscale + (i), count))
d + v_get(dshift + (i), count) ;; d
product = v_fma(g, n, product); ;; product = v_fma(g, g, product);
v_get(dy + (i), count) * v_get(scale + (i), count) - mean - ;; v_get(dy + (i), count) * v_get(scale + (i), count) -
v_get(normal + (i), count) * slope) ;; slope)
v_set(inverse[r]), ;; v_set(inverse[0]),
== nn/transformer.c
nn_multiply(m * t, mask, scratch); ;;  ;
nn_multiply(m * t, p, mask); weight = mask; mask += m * t; } nn_gemm(true ;; weight = mask; mask += m * t; } nn_gemm(true
nn_softmax_backward(m, t, scale, p, scratch, t); ;; nn_softmax_backward(m, t, 1, p, scratch, t);
nn_softmax_backward(m, t, scale, p, scratch, t); ;;  ;
weight, t, d_out, sizes->ld_context, 0, d_v + at ;; p, t, d_out, sizes->ld_context, 0, d_v + at
const real *d_out = d_context + head * dim; ;; const real *d_out = d_context;
scratch, t, k + at, sizes->ld_kv, 0, d_q + at ;; scratch, t, v + at, sizes->ld_kv, 0, d_q + at
scratch, t, q + at, sizes->ld_q, 0, d_k + at ;; scratch, t, q, sizes->ld_q, 0, d_k + at
== model/encoder_backward.c
nn_multiply(texts * hidden, mask, d_head); ;;  ;
d_head[i] *= 1 - pass->head[i] * pass->head[i]; ;; d_head[i] *= 1 + pass->head[i] * pass->head[i];
hidden, layout->labels, pass->head_dropped ;; hidden, layout->labels, pass->head
nn_multiply(texts * hidden, mask, d_pooled); ;;  ;
attention += cells; ;;  ;
encoder_mask(pass->training, b, l + 1, ENCODER_DROP_ATTENTION ;; encoder_mask(pass->training, b, l, ENCODER_DROP_ATTENTION
below ? d_first : NULL, true); return; ;; below ? d_first : NULL, false); return;
scratch->d_query, hidden, d_dense + weight, d_dense + bias, below ? d_first : NULL, true); ;; scratch->d_query, hidden, d_dense + weight, d_dense + bias, below ? d_first : NULL, false);
d_dense + bias + hidden, below ;; d_dense + bias, below
nn_axpy(hidden, 1, d_first + b * hidden, scratch->d_x + batch->start[b] * hidden); ;;  ;
nn_axpy(hidden, 1, d_first + b * hidden, scratch->d_x + batch->start[b] * hidden); ;; nn_axpy(hidden, 1, d_first + b * hidden, scratch->d_x + b * hidden);
bool below = encoder_trains(pass->training, l); ;; bool below = l > 1;
encoder_masks(pass, batch, l + 1, ENCODER_DROP_OUTER, last, hidden, rate); ;; NULL;
encoder_masks(pass, batch, l + 1, ENCODER_DROP_CONTEXT, last, hidden, rate); ;; encoder_masks(pass, batch, l + 1, ENCODER_DROP_OUTER, last, hidden, rate);
nn_gelu_backward(rows * inner, layer->inner, pass->wide, pass->wide, layer->inner); ;; nn_gelu(rows, inner, NULL, layer->inner, layer->inner);
encoder_linear_backward(pass, rows, inner, hidden, layer->inner ;; encoder_linear_backward(pass, rows, inner, hidden, pass->wide
D_AT(ENCODER_INNER_BIAS), d, true); ;; D_AT(ENCODER_INNER_BIAS), d, false);
d, layer->normal, layer->inverse, ;; d, layer->out_normal, layer->inverse,
nn_layer_norm_backward(rows, hidden, d, layer->out_normal, layer->out_inverse, ;; nn_layer_norm_backward(rows, hidden, d, layer->out_normal, layer->inverse,
encoder_masks(pass, batch, 0, ENCODER_DROP_EMBEDDING, false, hidden, layout->config.hidden_dropout_prob); ;; NULL;
nn_add_bias_backward(batch->rows, hidden, d, hidden, d_dense + layout->type); ;;  ;
nn_axpy(hidden, 1, d + row * hidden, d_position); ;;  ;
real *d_position = d_dense + layout->position + layout->first_position * hidden; ;; real *d_position = d_dense + layout->position;
d_words + batch->token[row] * hidden ;; d_words
for (size_t l = layout->layers; l-- > 0 && encoder_trains(pass->training, l + 1);) ;; for (size_t l = layout->layers; l-- > 0 && encoder_trains(pass->training, l);)
== model/encoder_linear.c
out, in, rows, 1, d_y, ld_dy, x, in, 1, d_weight, in); ;; out, in, rows, 1, d_y, ld_dy, x, in, 0, d_weight, in);
rows, in, out, 1, d_y, ld_dy, weight, in, accumulate ? 1 : 0 ;; rows, in, out, -1, d_y, ld_dy, weight, in, accumulate ? 1 : 0
accumulate ? 1 : 0 ;; 1
accumulate ? 1 : 0 ;; 0
nn_add_bias_backward(rows, out, d_y, ld_dy, d_bias); ;;  ;
== model/network.c
nn_multiply(pass->pooled_masks * pooled, pass->pooled_mask, scratch.d_pooled); ;;  ;
nn_multiply(pass->pooled_masks * pooled, pass->pooled_mask, scratch.d_pooled); ;; nn_multiply(pooled, pass->pooled_mask, scratch.d_pooled);
nn_axpy(pooled, 1, scratch.d_pooled + i * pooled, scratch.d_pooled); ;;  ;
scratch.d_pooled = pass->unmixed; ;;  ;
nn_axpy(pooled, 1, scratch.d_pooled + i * pooled, scratch.d_pooled); ;; nn_axpy(pooled, -1, scratch.d_pooled + i * pooled, scratch.d_pooled);
nn_axpy(pooled, 1, scratch.d_pooled + i * pooled, scratch.d_pooled); ;; nn_axpy(pooled, 1, scratch.d_pooled, scratch.d_pooled);
nn_multiply(n * 2 * hidden, pass->h_mask, scratch.d_h); ;;  ;
pass->h_kept + direction * hidden, scratch->d_h ;; pass->h + direction * hidden, scratch->d_h
scratch->lstm, d_dense + recurrent); ;; scratch->lstm, d_dense + at->lstm_recurrent);
nn_relu_backward(n * layout->conv, pass->conv, scratch->d_conv, scratch->d_conv); ;;  
nn_multiply(n * layout->conv, pass->conv_mask, scratch->d_conv); ;;  ;
scratch->d_conv + (size_t) i * filters, layout->conv, d_dense ;; scratch->d_conv, layout->conv, d_dense
d_dense + at->conv_weight[i], d_dense + at->conv_bias[i] ;; d_dense + at->conv_weight[i], NULL
memset(pass->columns, 0, n * widest * layout->embedding * sizeof(real)); ;;  
width * layout->embedding, filters, 1, scratch->d_conv ;; width * layout->embedding, filters, -1, scratch->d_conv
width * layout->embedding, 1, pass->columns ;; width * layout->embedding, 0, pass->columns
pass->columns, pass->spatial, pass->word, d_embedding ;; pass->columns, NULL, pass->word, d_embedding
pass->columns, pass->spatial, pass->word, d_embedding ;; pass->columns, pass->spatial, NULL, d_embedding
d_dense + at.output_weight, d_dense + at.output_bias ;; d_dense + at.output_weight, NULL
d_dense + at->lstm_input, d_dense + at->lstm_bias ;; d_dense + at->lstm_input, NULL
MISTAKES

xargs -0 -r -n 4 -P "$jobs" bash -c 'plant "$@" >"$work/$2.tap"' plant <"$work/list"
planted=$number
for ((number = ${#programs[@]} + 1; number <= planted; number++)); do
	cat "$work/$number.tap"
	! grep -q '^not ok' "$work/$number.tap" || status=1
done
echo "1..$planted"
exit $status
