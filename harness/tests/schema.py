# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold a JSON document to the schema of its kind: schema.py FOLDER FILE.

Exit code 0 valid, 65 not (with a line for each error), 77 where python3-jsonschema is missing."""
import json
import sys

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed; `make deps` installs it")
    sys.exit(77)

folder, path = sys.argv[1:]
with open(path, encoding="utf-8") as f:
    document = json.load(f)
with open(f"{folder}/{document['kind']}.schema.json", encoding="utf-8") as f:
    schema = json.load(f)
jsonschema.Draft7Validator.check_schema(schema)
errors = list(jsonschema.Draft7Validator(schema).iter_errors(document))
for e in errors[:5]:
    print(f"{document['kind']} at /{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}")
sys.exit(65 if errors else 0)
