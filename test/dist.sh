#!/usr/bin/env bash
# emotion-VERSION.zip for PGXN: what is committed, with the version filled into META.json.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" emotion.control)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=emotion-$version
git archive --prefix="$name/" HEAD | tar -x -C "$work"
sed -i "s/@VERSION@/$version/" "$work/$name/META.json"
python3 - "$work" "$name" <<'END'
import os, sys, zipfile

work, name = sys.argv[1:]
with zipfile.ZipFile(name + ".zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for folder, _, files in sorted(os.walk(os.path.join(work, name))):
        for file in sorted(files):
            path = os.path.join(folder, file)
            archive.write(path, os.path.relpath(path, work))
END
echo "$name.zip"
