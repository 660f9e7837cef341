// Provisions a cluster's role, changes it and tears it down.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./engine-roles.js";

type Binding = components["schemas"]["Binding"];
type Problem = components["schemas"]["Problem"];
type Answer = { data?: Binding; error?: Problem; response: Response };

const [cluster] = process.argv.slice(2);
const { ENGINE_ROLES_ADDR: baseUrl, ENGINE_ROLES_API_KEY: key } = process.env;
assert(cluster && baseUrl && key, "the cluster, the address and the key must be given");
const service = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const path = "/v1/clusters/{cluster}/role";

// Returns the binding of an answer. A code may be one that this client does not know yet: go by the status.
function bindingOf({ data, error, response }: Answer): Binding {
  if (data) return data;
  if (error?.code === "missing_permission") {
    const statement = JSON.stringify(error.statement);
    throw new Error(`AWS denied ${error.missing_permissions}; add ${statement}`);
  }
  throw new Error(`status ${response.status}: ${error?.detail}`);
}

// Reads a binding until no work on it is in progress.
async function waitUntilDone(binding: Binding, cluster: string): Promise<Binding> {
  while (binding.state === "provisioning" || binding.state === "deleting") {
    const params = { path: { cluster }, header: { Prefer: "wait=30" } };
    binding = bindingOf(await service.GET(path, { params }));
  }
  const failure = binding.last_error;
  if (failure) throw new Error(`${failure.code}: ${failure.detail}`);
  return binding;
}

// Answered at once with 202 and the role's names; then the program waits.
const wanted = { secrets: ["admin/password"], tags: { team: "analytics" } };
const started = await service.PUT(path, {
  params: { path: { cluster }, header: { Prefer: "respond-async" } },
  body: wanted,
});
const binding = await waitUntilDone(bindingOf(started), cluster);
assert.equal(binding.state, "active");
console.log(`${cluster} has the role ${binding.role?.arn}`);

// Changed only if nobody else has changed the binding since it was read.
const read = await service.GET(path, { params: { path: { cluster } } });
const tag = read.response.headers.get("etag") ?? "";
const changed = await service.PUT(path, {
  params: { path: { cluster }, header: { "If-Match": tag, Prefer: "wait=30" } },
  body: { secrets: "all" },
});
assert.equal((await waitUntilDone(bindingOf(changed), cluster)).spec.secrets, "all");

// The tag that was read is old now.
const late = await service.PUT(path, {
  params: { path: { cluster }, header: { "If-Match": tag } },
  body: wanted,
});
assert.equal(late.error?.code, "precondition_failed");

// All live clusters, page by page.
const names: string[] = [];
let cursor: string | undefined;
do {
  const query = { live: true, limit: 2, cursor };
  const page = await service.GET("/v1/clusters", { params: { query } });
  assert(page.data, `status ${page.response.status}`);
  names.push(...page.data.items.map((item) => item.cluster));
  cursor = page.data.next_cursor ?? undefined;
} while (cursor);
assert(names.includes(cluster), names.join());

const torn = await service.DELETE(path, { params: { path: { cluster } } });
const ended = await waitUntilDone(bindingOf(torn), cluster);
assert.equal(ended.state, "deleted");
assert(ended.receipt && ended.receipt.removed.length > 0);
console.log(`${cluster} is torn down; removed: ${ended.receipt.removed.join(", ")}`);
