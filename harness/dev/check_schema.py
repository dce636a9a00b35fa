#!/usr/bin/env python3
"""check_schema.py SCHEMA DOCUMENT: is the document what the schema says, and says the schema all of it?

The schemas of docs/schema are open, because keys may be added; here a key that they do not
name is an error. Exit status 0: yes; 1: no, and why; 77: python3-jsonschema is missing."""

import json
import pathlib
import sys
import warnings

try:
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonschema import Draft7Validator, RefResolver
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)


def closed(schema):
    """The schema, without room for other keys."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        out["additionalProperties"] = False
    return out


def main(schema_file, document_file):
    folder = pathlib.Path(schema_file).parent
    store = {file.name: closed(json.loads(file.read_text())) for file in folder.glob("*.json")}
    schema = store[pathlib.Path(schema_file).name]
    Draft7Validator.check_schema(schema)
    resolver = RefResolver(base_uri=schema["$id"], referrer=schema, store=store)
    document = json.loads(pathlib.Path(document_file).read_text())
    problems = list(Draft7Validator(schema, resolver=resolver).iter_errors(document))
    for problem in problems:
        print("/".join(str(part) for part in problem.absolute_path) + ": " + problem.message[:300])
    return 1 if problems else 0


sys.exit(main(*sys.argv[1:]))
