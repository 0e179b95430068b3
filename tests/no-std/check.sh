#!/usr/bin/env bash
# Links the core without std into a program that has its own allocator and panic handler, and runs a
# bus in it; then shows that this would fail if std came in by any path.
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
