# emotion: emotions in text, inside PostgreSQL.
#
#   make && sudo make install     build and install for the server of $(PG_CONFIG)
#   make demo                     from nothing to scores and a trained model
#   make check                    every test, on a private throw-away server
#   make installcheck             the regression tests on a running server
#   make deps                     install what building, testing and benches need
#   make bench | fuzz | lint      figures | long fuzzing (FUZZ_SECONDS) | formatting and analysis
#   make crash | soak             what is killed, stopped and starved at random | a server at work for long
#   make long                     texts of MB=1000 megabytes
#   make analyze | coverage       lint in depth | lines and branches that tests reach, by room
#   make asan | tsan | valgrind   server tests under sanitizers | threads under theirs | memcheck
#                                 (ONLY="registry scoring": these regression tests)
#
# Files join by being there: src/*/*.c are built, sql/emotion/*.sql are joined in the order of
# their names into the install script, models/**.safetensors are installed.

PG_CONFIG ?= pg_config
export PG_CONFIG

# Targets that need no server headers yet: they see to them (test/deps.sh), then call make again.
house = deps check demo bench fuzz lint analyze coverage asan tsan valgrind crash soak long dist
goals := $(or $(MAKECMDGOALS),all)

ifeq ($(filter-out $(house),$(goals)),)
# --------------------------------------------------------------------- the house

.PHONY: $(house)
.NOTPARALLEL:

deps:
	test/deps.sh bench

# SUITES="unit pgtap" runs a part: lint unit fuzz regress isolation pgtap readme tap
check:
	test/deps.sh check
	+test/run.sh $(SUITES)

lint:
	test/deps.sh check
	+test/run.sh lint

analyze:
	test/deps.sh check
	+LINT=deep test/run.sh lint

coverage asan:
	test/deps.sh check
	+test/$@.sh $(SUITES)

tsan:
	test/deps.sh check
	+test/threads.sh $$(basename -s .c $$(grep -l nn_pool_create test/unit/*.c))

valgrind:
	test/deps.sh check
	+test/valgrind.sh $(ONLY)

demo:
	test/deps.sh build
	+demo/run.sh

bench:
	test/deps.sh bench
	+bench/run.sh

fuzz:
	test/deps.sh check
	+FUZZ_SECONDS=$${FUZZ_SECONDS:-600} test/run.sh fuzz

# Each kill and stop is told with the SEED that does it again.
crash:
	test/deps.sh check
	+EMOTION_KILLS=$${KILLS:-200} EMOTION_STOPS=$${STOPS:-100} EMOTION_ROOMS=$${ROOMS:-3} EMOTION_SEED=$${SEED:-1} test/run.sh crash

soak:
	test/deps.sh check
	+EMOTION_MINUTES=$${MINUTES:-60} EMOTION_CONNECTIONS=$${CONNECTIONS:-50} EMOTION_SEED=$${SEED:-1} test/run.sh soak

long:
	test/deps.sh check
	+EMOTION_TEXT_MB=$${MB:-1000} test/run.sh long

# An archive for PGXN: META.json gets its version from the control file.
dist:
	test/dist.sh

else ifneq ($(filter $(house),$(goals)),)
# ----------------------------------------------- both kinds asked for: one after another

.PHONY: $(goals)
.NOTPARALLEL:
$(goals):
	+$(MAKE) --no-print-directory $@

else
# ----------------------------------------------------------------- the extension

EXTENSION = emotion
MODULE_big = emotion
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" emotion.control)

PLAIN_OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/nn/*.c src/text/*.c src/data/*.c \
	src/model/*.c)))
OBJS := $(PLAIN_OBJS) $(patsubst %.c,%.o,$(sort $(wildcard src/pg/*.c)))

PARTS := $(sort $(wildcard sql/emotion/*.sql))
DATA = $(wildcard sql/emotion--*--*.sql)
DATA_built = emotion--$(EXTVERSION).sql
MODELS := $(sort $(wildcard models/*.safetensors models/*/*.safetensors))

# Explicit, because sql/ holds install and upgrade scripts too; test/regress.sh finds omissions.
REGRESS = registry huggingface finetuning vectors scoring batches annotate statistics training pretraining evaluation calibration balancing pseudo_label import annotation train_vectors refusals together
REGRESS_OPTS = --encoding=UTF8

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
define no_server_headers
the server headers of PostgreSQL are missing ("$(PG_CONFIG) --pgxs" names no file).
    On Debian and Ubuntu: apt-get install postgresql-server-dev-all, or let "make deps" do it.
    For a server elsewhere: make PG_CONFIG=/path/to/pg_config
endef
$(error $(no_server_headers))
endif

# Server headers as system headers: their warnings are not ours.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server) -DEMOTION_VERSION='"$(EXTVERSION)"'
# -MMD: headers are dependencies, whether or not the server was configured with --enable-depend.
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-declaration-after-statement -MMD -MP
ifdef WERROR
PG_CFLAGS += -Werror
endif
# Not OpenBLAS: it is opened at first need (src/nn/matmul.h says why).
SHLIB_LINK = -lpthread -ldl -lm

# No bitcode for the server's just-in-time compiler: nothing here is small enough to inline.
override with_llvm := no

EXTRA_CLEAN = build $(OBJS:.o=.d) emotion--*.sql

include $(PGXS)

# The server loads libraries into one name space: only its entry points leave ours.
ifeq ($(with_gnu_ld),yes)
SHLIB_LINK += -Wl,--version-script=src/exports.map
$(MODULE_big)$(DLSUFFIX): src/exports.map
else
$(PLAIN_OBJS): override CFLAGS += -fvisibility=hidden
endif

# The server's CFLAGS may hold gcc's warning options.
ifneq ($(findstring clang,$(shell $(CC) --version 2>/dev/null)),)
override CFLAGS += -Wno-unknown-warning-option
endif

$(OBJS): Makefile
-include $(OBJS:.o=.d)

# The directory is a prerequisite so that a part removed is noticed, too.
$(DATA_built): $(PARTS) sql/emotion emotion.control Makefile
	@echo 'joining $(words $(PARTS)) parts into $@'
	@cat $(PARTS) /dev/null > $@.new && mv $@.new $@

install: install-models
uninstall: uninstall-models
.PHONY: install-models uninstall-models print-regress

install-models:
	$(MKDIR_P) '$(DESTDIR)$(datadir)/extension/emotion'
ifneq ($(MODELS),)
	$(INSTALL_DATA) $(MODELS) '$(DESTDIR)$(datadir)/extension/emotion/'
endif

uninstall-models:
	rm -f $(addprefix '$(DESTDIR)$(datadir)/extension/emotion'/,$(notdir $(MODELS)))
	-rmdir '$(DESTDIR)$(datadir)/extension/emotion' 2>/dev/null || true

# For test/regress.sh.
print-regress:
	@echo $(REGRESS)

endif
