# Thin over meson: every target installs what is missing first.
BUILD ?= build
ASAN = $(BUILD)-asan
CLANG = $(BUILD)-clang
NINJA = ninja -C
T ?= sse
SECONDS ?= 60

all: $(BUILD)/build.ninja
	@$(NINJA) $(BUILD) --quiet

deps:
	@tools/deps

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) >/dev/null

$(ASAN)/build.ninja: | deps
	@CC=clang meson setup $(ASAN) -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true >/dev/null

demo: deps all
	@tools/demo $(BUILD)

test: deps all $(ASAN)/build.ninja
	@tests/gateway/sdk/install $(BUILD)
	@tools/test $(BUILD) $(ASAN)

lint: deps all
	@tools/lint $(BUILD)

bench: deps all
	@tools/bench $(BUILD)

fuzz: $(ASAN)/build.ninja
	@$(NINJA) $(ASAN) --quiet tests/fuzz_$(T)
	@FUZZ_SEED=0 tools/fuzz $(ASAN) $(SECONDS) $(T)

torture: deps all
	@tools/torture $(BUILD)

install: all
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) $(ASAN) $(CLANG)

.PHONY: all deps demo test lint bench fuzz torture install clean
