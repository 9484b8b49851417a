# kgate's own commands. `make help` lists them.

PREFIX ?= $(HOME)/.local
TARGET := $(or $(CARGO_TARGET_DIR),target)
CARGO ?= cargo
# A registry does not answer every time.
export CARGO_NET_RETRY ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick lint bless soak fuzz bench install uninstall

help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: ## Builds kgate and shows the main job, step by step, with real output
	@tests/setup.sh build
	$(CARGO) build --locked
	@$(TARGET)/debug/kgate demo

test: ## Checks everything, installing what it needs after listing it
	@tests/setup.sh test
	$(MAKE) --no-print-directory lint
	$(CARGO) check --locked --no-default-features --features layer
	$(CARGO) test --locked

test-quick: ## The tests that need only Rust and cmake
	@tests/setup.sh build
	KGATE_TEST_QUICK=1 $(CARGO) test --locked

lint: ## Formatting and clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

bless: ## Writes the generated documentation and completions anew
	KGATE_BLESS=1 $(CARGO) test --locked --test it -- docs reference

soak: ## The promise tests at full counts, optimised; about half an hour
	@tests/setup.sh test
	KGATE_SOAK=1 $(CARGO) test --locked --release --test it -- --nocapture --test-threads=1

fuzz: ## Feeds every parser what coverage leads to, then what is damaged by chance; FUZZ_SECONDS each
	@tests/setup.sh test
	tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60) $(FUZZ_TARGETS)
	PROPTEST_CASES=$(or $(FUZZ_CASES),20000) $(CARGO) test --locked --lib scan::
	KGATE_FUZZ=$(or $(FUZZ_SECONDS),120) $(CARGO) test --locked --test it -- --nocapture at_random

bench: ## Measures the budget and compares with nginx, HAProxy, Envoy, git, ripgrep and other scanners
	@tests/setup.sh bench
	tests/bench/run.sh

install: ## Installs binary, man pages and completions below PREFIX (default ~/.local)
	@tests/setup.sh build
	$(CARGO) build --locked --release
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(TARGET)/release/kgate $(DESTDIR)$(PREFIX)/bin/kgate
	$(TARGET)/release/kgate man --dir $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 completions/kgate.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kgate
	install -m 644 completions/kgate.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kgate
	install -m 644 completions/kgate.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kgate.fish
	@echo "installed $(DESTDIR)$(PREFIX)/bin/kgate"

uninstall: ## Removes what `make install` installed; configuration and data stay
	rm -f $(DESTDIR)$(PREFIX)/bin/kgate \
	  $(DESTDIR)$(PREFIX)/share/man/man1/kgate.1 $(DESTDIR)$(PREFIX)/share/man/man1/kgate-*.1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kgate \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kgate \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kgate.fish
