"""Checks that every request body, parameter, header and answer of the OpenAPI document has an example,
and that every example is valid against its schema."""

import json
import sys

import jsonschema_rs

METHODS = ("get", "put", "post", "delete", "patch")


def main(path):
    with open(path) as file:
        document = json.load(file)
    wrong = []
    count = 0
    for place, schema, examples in described(document):
        if not examples:
            wrong.append(f"{place} has no example")
            continue
        # The components are beside the schema, so that its references lead somewhere.
        whole = {"components": document["components"], "allOf": [schema]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for example in examples:
            count += 1
            for error in validator.iter_errors(example):
                wrong.append(f"{place}: {error.message} at {list(error.instance_path)}")
    print("\n".join(wrong), file=sys.stderr)
    print(f"{count} examples, {len(wrong)} findings")
    return 1 if wrong or not count else 0


def described(document):
    """Yields each thing that has a schema, with its examples."""
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            place = f"{method.upper()} {path}"
            for parameter in operation.get("parameters", []):
                yield of(document, f"{place} {parameter['name']}", parameter)
            body = operation.get("requestBody", {})
            for kind, content in body.get("content", {}).items():
                yield of(document, f"{place} body", content)
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    yield of(document, f"{place} {status} {kind}", content)
                for name, header in answer.get("headers", {}).items():
                    yield of(document, f"{place} {status} {name}", header)
    for name, schema in document["components"]["schemas"].items():
        if "examples" in schema:
            yield name, schema, schema["examples"]


def of(document, place, described):
    schema = described["schema"]
    examples = [resolve(document, example)["value"] for example in described.get("examples", {}).values()]
    if "example" in described:
        examples.append(described["example"])
    if not examples:
        target = resolve(document, schema)
        examples = target.get("examples") or target.get("enum", [])[:1]
    return place, schema, examples


def resolve(document, value):
    while "$ref" in value:
        target = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


sys.exit(main(sys.argv[1]))
