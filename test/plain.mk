# The rooms below src/pg, built without PostgreSQL: unit tests under AddressSanitizer and
# UndefinedBehaviorSanitizer (gcc), fuzzers (clang), and benches, compiled as the extension is.
#
#   make -f test/plain.mk unit fuzz bench        from the repository root
#
# Every test/unit/test_*.c is a program, linked with all plain rooms. It is built with floats;
# a name ending in _double.c or the comment "build: double" asks for double precision
# (EMOTION_DOUBLE), "also: double" for both: then build/unit/<name>.double stands beside.
# Every test/fuzz/fuzz_*.c holds an LLVMFuzzerTestOneInput.

UNIT_CC ?= gcc
FUZZ_CC ?= clang
B = build
WARNINGS = -std=gnu11 -g -Wall -Wextra -Werror -MMD -MP -pthread
# test/coverage.sh and test/threads.sh build other kinds, with B elsewhere.
UNIT_KIND ?= -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_FLAGS = $(WARNINGS) $(UNIT_KIND)
# undefined's "function" check is not for C before clang 17; libFuzzer needs its own coverage.
FUZZ_FLAGS = $(WARNINGS) -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
BENCH_FLAGS = $(filter-out -Werror,$(WARNINGS)) -O2 -fPIC
LIBS = -pthread -ldl -lm

sources := $(sort $(wildcard src/*.c src/nn/*.c src/text/*.c src/data/*.c src/model/*.c))
tests := $(sort $(wildcard test/unit/test_*.c))
marked = $(if $(tests),$(shell grep -lE '/\*.*$(1): double' $(tests)))
double_only := $(sort $(filter %_double.c,$(tests)) $(call marked,build))
double_also := $(call marked,also)
floats := $(filter-out $(double_only),$(tests))
unit_float := $(floats:test/unit/%.c=$(B)/unit/%)
unit_double := $(double_only:test/unit/%.c=$(B)/unit/%) \
	$(double_also:test/unit/%.c=$(B)/unit/%.double)
fuzzers := $(patsubst test/fuzz/%.c,$(B)/fuzz/%,$(sort $(wildcard test/fuzz/fuzz_*.c)))

benches := $(patsubst bench/%.c,$(B)/bench/%,$(sort $(wildcard bench/bench_*.c)))

.PHONY: unit fuzz bench print-unit print-fuzz
.DELETE_ON_ERROR:
.SECONDARY:
unit: $(unit_float) $(unit_double)
fuzz: $(fuzzers)
bench: $(benches)
print-unit:
	@echo $(sort $(unit_float) $(unit_double))
print-fuzz:
	@echo $(fuzzers)

float_objects := $(sources:%.c=$(B)/float/%.o)
double_objects := $(sources:%.c=$(B)/double/%.o)
fast_objects := $(sources:%.c=$(B)/fast/%.o)
fuzz_objects := $(sources:%.c=$(B)/fuzzed/%.o)

$(B)/float/%.o: %.c test/plain.mk
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_FLAGS) -c -o $@ $<
$(B)/double/%.o: %.c test/plain.mk
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_FLAGS) -DEMOTION_DOUBLE -c -o $@ $<
$(B)/fuzzed/%.o: %.c test/plain.mk
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
$(B)/fast/%.o: %.c test/plain.mk
	@mkdir -p $(@D)
	$(UNIT_CC) $(BENCH_FLAGS) -c -o $@ $<

$(B)/float.a: $(float_objects)
$(B)/double.a: $(double_objects)
$(B)/fuzzed.a: $(fuzz_objects)
$(B)/fast.a: $(fast_objects)
$(B)/%.a:
	@rm -f $@
	ar rcs $@ $^

$(unit_float): $(B)/unit/%: $(B)/float/test/unit/%.o $(B)/float.a
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_FLAGS) -o $@ $^ $(LIBS)
$(filter-out %.double,$(unit_double)): $(B)/unit/%: $(B)/double/test/unit/%.o $(B)/double.a
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_FLAGS) -o $@ $^ $(LIBS)
$(filter %.double,$(unit_double)): $(B)/unit/%.double: $(B)/double/test/unit/%.o $(B)/double.a
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_FLAGS) -o $@ $^ $(LIBS)
$(fuzzers): $(B)/fuzz/%: $(B)/fuzzed/test/fuzz/%.o $(B)/fuzzed.a
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
$(benches): $(B)/bench/%: $(B)/fast/bench/%.o $(B)/fast.a
	@mkdir -p $(@D)
	$(UNIT_CC) $(BENCH_FLAGS) -o $@ $^ $(LIBS)

-include $(fast_objects:.o=.d) $(float_objects:.o=.d) $(double_objects:.o=.d) $(fuzz_objects:.o=.d)
-include $(wildcard $(B)/*/test/*/*.d $(B)/fast/bench/*.d)
