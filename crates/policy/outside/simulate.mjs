// Reads pairs of policies and a request from standard input, one JSON object a line, and prints the
// decision of @cloud-copilot/iam-simulate for each: `{"id": …, "decision": "allowed"}`.

import { createInterface } from 'node:readline'
import { runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const everything = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: '*', Resource: '*' }
}
const organization = [
  { orgIdentifier: 'o-1', policies: [{ name: 'everything', policy: everything }] }
]

// A key of one value is single-valued, as in a request of AWS; aws:TagKeys always has a list.
const value = (key, values) =>
  values.length === 1 && key.toLowerCase() !== 'aws:tagkeys' ? values[0] : values

function decide(pair) {
  const present = Object.entries(pair.context).filter(([, values]) => values.length > 0)
  const result = runUnsafeSimulation(
    {
      request: {
        principal: 'arn:aws:iam::111122223333:user/ann',
        action: pair.action,
        resource: { resource: pair.resource, accountId: '111122223333' },
        contextVariables: Object.fromEntries(
          present.map(([key, values]) => [key, value(key, values)])
        )
      },
      identityPolicies: pair.policies.map((policy, at) => ({ name: `policy ${at}`, policy })),
      permissionBoundaryPolicies: pair.boundary
        ? [{ name: 'boundary', policy: pair.boundary }]
        : undefined,
      serviceControlPolicies: organization,
      resourceControlPolicies: []
    },
    {}
  )
  return result === 'Allowed' ? 'allowed' : 'denied'
}

for await (const line of createInterface({ input: process.stdin })) {
  const pair = JSON.parse(line)
  let decision
  try {
    decision = decide(pair)
  } catch {
    decision = 'error'
  }
  console.log(JSON.stringify({ id: pair.id, decision }))
}
