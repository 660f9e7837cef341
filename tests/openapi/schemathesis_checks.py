"""A check of schemathesis: a request that is valid according to the document gets 400 only because of a
rule that a schema can't state."""

import re

import schemathesis

# The fields with such a rule, by operation.
RULES = {
    # Each belongs to one mode.
    "provisionRole": {"iam_role", "permissions_boundary"},
    "planRole": {"iam_role", "permissions_boundary"},
    # A cursor is what an earlier page gave, of the same cluster.
    "listClusters": {"cursor"},
    "listIncarnations": {"cursor"},
    # A tree is not larger than a later one.
    "proveAuditConsistency": {"from"},
    # The parts of a signature belong together, and its region is one of AWS.
    "loginWithAws": {"authorization", "date"},
    # Only some documents can be limited to one cluster.
    "renderPolicy": {"cluster"},
}


@schemathesis.check
def valid_requests_are_rejected_by_known_rules_only(ctx, response, case):
    mode = case.meta.generation.mode if case.meta else None
    if response.status_code != 400 or mode is None or not mode.is_positive:
        return
    operation = case.operation.definition.raw["operationId"]
    fields = {error["field"] for error in response.json().get("errors", [])}
    unknown = fields - RULES.get(operation, set()) - broken_conditions(case)
    assert fields and not unknown, f"400 for a valid request: {response.text}"


def broken_conditions(case):
    """Returns the conditional headers whose values break the document's pattern. For these headers
    schemathesis makes values of its own, some of which it takes for valid although they are not."""
    schemas = case.operation.schema.raw_schema["components"]["schemas"]
    is_valid = re.compile(schemas["EntityTags"]["pattern"]).search
    headers = ((name, case.headers.get(name)) for name in ("If-Match", "If-None-Match"))
    return {name for name, value in headers if value is not None and not is_valid(value)}
