"""Provisions a cluster's role, changes it and tears it down."""

import os
import sys

from engine_roles_client import AuthenticatedClient
from engine_roles_client.api.roles import get_role, list_clusters, provision_role, tear_down_role
from engine_roles_client.models import Binding, BindingList, Code, Problem, RoleRequest, State

service = AuthenticatedClient(
    base_url=os.environ["ENGINE_ROLES_ADDR"],
    token=os.environ["ENGINE_ROLES_API_KEY"],
    # Longer than any wait that the service is asked for.
    timeout=60,
)
CLUSTER = sys.argv[1]


def binding_of(answer):
    """Returns the binding of an answer. A code may be one that this client does not know yet, and then is
    plain text: go by the status."""
    if isinstance(answer.parsed, Binding):
        return answer.parsed
    problem = answer.parsed
    if isinstance(problem, Problem) and problem.code == Code.MISSING_PERMISSION:
        sys.exit(f"AWS denied {problem.missing_permissions}; add {problem.statement}")
    sys.exit(f"status {answer.status_code}: {problem.detail if problem else answer.content!r}")


def wait_until_done(binding):
    """Reads a binding until no work on it is in progress."""
    while binding.state in (State.PROVISIONING, State.DELETING):
        binding = binding_of(get_role.sync_detailed(CLUSTER, client=service, prefer="wait=30"))
    if binding.last_error:
        sys.exit(f"{binding.last_error.code}: {binding.last_error.detail}")
    return binding


# Answered at once with 202 and the role's names; then the program waits.
wanted = RoleRequest.from_dict({"secrets": ["admin/password"], "tags": {"team": "analytics"}})
started = provision_role.sync_detailed(CLUSTER, client=service, body=wanted, prefer="respond-async")
binding = wait_until_done(binding_of(started))
assert binding.state == State.ACTIVE, binding.state
print(f"{CLUSTER} has the role {binding.role.arn}")

# Changed only if nobody else has changed the binding since it was read.
read = get_role.sync_detailed(CLUSTER, client=service)
changed = RoleRequest.from_dict({"secrets": "all"})
answer = provision_role.sync_detailed(
    CLUSTER, client=service, body=changed, if_match=read.headers["etag"], prefer="wait=30"
)
assert wait_until_done(binding_of(answer)).spec.secrets == "all"

# The tag that was read is old now.
late = provision_role.sync_detailed(CLUSTER, client=service, body=wanted, if_match=read.headers["etag"])
assert isinstance(late.parsed, Problem) and late.parsed.code == Code.PRECONDITION_FAILED, late

# All live clusters, page by page.
names, cursor = [], None
while True:
    more = {"cursor": cursor} if cursor else {}
    page = list_clusters.sync(client=service, live=True, limit=2, **more)
    assert isinstance(page, BindingList), page
    names += [item.cluster for item in page.items]
    cursor = page.next_cursor
    if cursor is None:
        break
assert CLUSTER in names, names

ended = wait_until_done(binding_of(tear_down_role.sync_detailed(CLUSTER, client=service)))
assert ended.state == State.DELETED and ended.receipt.removed, ended
print(f"{CLUSTER} is torn down; removed: {', '.join(ended.receipt.removed)}")
