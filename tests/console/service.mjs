// The service with a simulated IAM, and example data in it.

const ADMINISTRATOR = "AKIAADMINISTRATOR000";

export const address = process.env.ENGINE_ROLES_ADDR;
export const key = process.env.ENGINE_ROLES_INIT_API_KEY;
// The secrets of all engines.
const COMPUTE = "arn:aws:secretsmanager:*:123456789012:secret:compute-engine/*";
const sandbox = process.env.SANDBOX;

// Sends a request to the service with its first key.
export async function request(method, path, body, headers = {}) {
  const answer = await fetch(`${address}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith("{") ? JSON.parse(text) : text };
}

export const put = (cluster, body = {}, headers = {}) =>
  request("PUT", `/v1/clusters/${cluster}/role`, body, headers);

// Calls the simulated IAM as the administrator of the account.
async function iam(action, parameters) {
  const body = new URLSearchParams({ Action: action, Version: "2010-05-08", ...parameters });
  const answer = await fetch(sandbox, {
    method: "POST",
    headers: { authorization: `AWS4-HMAC-SHA256 Credential=${ADMINISTRATOR}/-` },
    body,
  });
  if (!answer.ok) throw new Error(`${action}: ${await answer.text()}`);
}

async function faults(list) {
  const answer = await fetch(`${sandbox}/_sandbox/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(list),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

async function until(what, ask) {
  for (let tries = 0; tries < 240; tries += 1) {
    if (await ask()) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`${what} did not happen`);
}

const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Action: "sts:AssumeRole",
      Principal: { Service: "ec2.amazonaws.com" },
    },
  ],
});

function policy(action, resource) {
  const statement = { Sid: "Needed", Effect: "Allow", Action: action, Resource: resource };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}

// Prepares a role that EC2 may not assume, and one that may do more than it should.
async function prepareRoles() {
  const roles = [
    ["analysts-role", trust.replace("ec2.", "lambda."), "secretsmanager:GetSecretValue", COMPUTE],
    ["shared-engines", trust, ["secretsmanager:GetSecretValue", "s3:GetObject"], "*"],
  ];
  for (const [RoleName, AssumeRolePolicyDocument, action, resource] of roles) {
    await iam("CreateRole", { RoleName, AssumeRolePolicyDocument });
    const PolicyDocument = policy(action, resource);
    await iam("PutRolePolicy", { RoleName, PolicyName: "engines", PolicyDocument });
  }
  await iam("CreateInstanceProfile", { InstanceProfileName: "shared-engines" });
  await iam("AddRoleToInstanceProfile", {
    InstanceProfileName: "shared-engines",
    RoleName: "shared-engines",
  });
}

// Makes clusters in every state.
export async function makeExamples() {
  await prepareRoles();
  const secrets = ["db-password", "object-store/key"];
  for (const cluster of ["analytics-eu-1", "chct3mqng4af2ckkv3jg", "reporting", "sandbox-anna"]) {
    await put(cluster, { secrets, tags: { team: "data", stage: "production" } });
  }
  await put("chct9k2ng4afa81kv9x0", { session_manager: true });
  const passThrough = { mode: "pass_through", iam_role: "prepared-engine-role" };
  await put("ml-training", passThrough);
  await request("DELETE", "/v1/clusters/reporting/role");
  await put("reporting", { secrets });
  await put("quarterly-2025", { secrets });
  await request("DELETE", "/v1/clusters/quarterly-2025/role");

  // Somebody added a policy to one role, and put another one into a profile of their own.
  const drifted = (await put("sandbox-anna")).body;
  await iam("PutRolePolicy", {
    RoleName: drifted.role.name,
    PolicyName: "debugging",
    PolicyDocument: policy("secretsmanager:GetSecretValue", "*"),
  });
  const blocked = (await put("legacy-etl", { secrets })).body;
  await iam("CreateInstanceProfile", { InstanceProfileName: "jupyter-nodes" });
  await iam("AddRoleToInstanceProfile", {
    InstanceProfileName: "jupyter-nodes",
    RoleName: blocked.role.name,
  });
  await request("DELETE", "/v1/clusters/legacy-etl/role", undefined, { prefer: "respond-async" });

  // AWS denies one creation, and throttles another one.
  await faults([
    { action: "PutRolePolicy", when: "before", do: { error: "AccessDenied" }, times: 1, skip: 0 },
  ]);
  await put("dev-playground", { secrets });
  await faults([
    { action: "CreateInstanceProfile", when: "before", do: { error: "Throttling" }, times: 500, skip: 0 },
  ]);
  await put("analytics-us-2", { secrets }, { prefer: "respond-async" });
  // A role of this installation that no binding accounts for.
  const tags = {
    "ai-unlimited:managed-by": "engine-roles",
    "ai-unlimited:namespace": "default",
    "ai-unlimited:cluster": "forgotten",
    "ai-unlimited:binding-id": "0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e",
  };
  const tagParameters = Object.entries(tags).flatMap(([name, value], place) => [
    [`Tags.member.${place + 1}.Key`, name],
    [`Tags.member.${place + 1}.Value`, value],
  ]);
  await iam("CreateRole", {
    RoleName: "ai-unlimited-forgotten-4hqiaj3oodfg2gag",
    Path: "/ai-unlimited/engine/default/",
    AssumeRolePolicyDocument: trust,
    ...Object.fromEntries(tagParameters),
  });
  const get = (cluster) => request("GET", `/v1/clusters/${cluster}/role`);
  await until("the drift", async () => (await get("sandbox-anna")).body.drift.length > 0);
  await until("the block", async () => (await get("legacy-etl")).body.state === "blocked");
  await until("the failure", async () => (await get("dev-playground")).body.state === "failed");
  await until("the orphan", async () => {
    const metrics = (await request("GET", "/metrics")).body;
    return /^engine_roles_orphans(\{.*\})? [1-9]/m.test(metrics);
  });
}

// Makes so many clusters that the list has several pages.
export async function makeManyClusters(count) {
  for (let number = 0; number < count; number += 1) {
    const arn = "arn:aws:iam::123456789012:role/shared-engines";
    await put(`batch-${String(number).padStart(3, "0")}`, { mode: "pass_through", iam_role: arn });
  }
}
