#!/usr/bin/env bash
# Links the core without std into a program with its own allocator and panic handler, and runs a bus
# in it. Then checks that this fails if std comes in by any path, and what error a JSON view gives.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TERM_COLOR=never

for profile in dev release; do
    cargo build --quiet --profile "$profile"
    cargo run --quiet --profile "$profile"
done

echo '== the negative control: with std it must not build'
if output=$(cargo build --quiet --features smuggled-std 2>&1); then
    echo 'std came in and nobody noticed' >&2
    exit 1
fi
if ! grep -q 'duplicate lang item.*panic_impl' <<<"$output"; then
    echo "$output" >&2
    echo 'it fails for another reason than std' >&2
    exit 1
fi
echo 'ok std is noticed'

echo '== a JSON view without serde: the one error names the feature'
if output=$(cargo check --quiet --features json-without-serde 2>&1); then
    echo 'a JSON view is written without serde' >&2
    exit 1
fi
if ! grep -q '^error: .*needs the feature `serde`' <<<"$output" ||
    [[ $(grep -c '^error' <<<"$output") != 2 ]]; then # It, and "could not compile".
    echo "$output" >&2
    exit 1
fi
echo 'ok the feature is named'
