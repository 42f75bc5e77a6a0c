import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readMessage } from '../message/read-message.ts';
import { renderMessage } from '../message/render-message.ts';
import { allowWaypointPolicy } from './allow-waypoint-policy.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/conversion/xds/waypoint-auto-allow');
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

interface Pod {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: Record<string, string> };
  readonly spec: { readonly serviceAccountName: string };
}

const readPods = (file: string): readonly Pod[] =>
  parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8'))
    .map((document): Pod => document.toJS())
    .filter(({ kind }) => kind === 'Pod');

const convert = (name: string, pods: readonly Pod[]) =>
  allowWaypointPolicy(
    {
      namespace: 'default',
      name,
      serviceAccounts: pods
        .filter(({ metadata }) => metadata.labels?.[GATEWAY_NAME] === name)
        .map(({ spec }) => spec.serviceAccountName),
    },
    'cluster.local',
  );

const EXPECTED: {
  readonly initial: { readonly authorization: { readonly resources: readonly { readonly message: unknown }[] } };
  readonly steps: readonly {
    readonly authorization: { readonly resources: readonly { readonly message: unknown }[] };
  }[];
} = parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8'));

/** As recorded, but an account that two pods share is there once (spec istiod.md §20). */
function recorded(message: unknown): unknown {
  const policy = readMessage(message);
  const principals = policy.rules[0]?.[0]?.[0]?.principals ?? [];
  const once = new Map(principals.map((principal) => [JSON.stringify(principal), principal]));
  return renderMessage({ ...policy, rules: [[[{ principals: [...once.values()] }]]] });
}

test('a waypoint with pods may reach what is behind it; the policy comes and goes with them', () => {
  const before = readPods('input.yaml');
  const waypoint = convert('waypoint', before);
  expect(waypoint && renderMessage(waypoint)).toEqual(recorded(EXPECTED.initial.authorization.resources[0]?.message));
  expect(waypoint?.source).toMatchObject({ kind: 'Waypoint', object: 'default/waypoint' });
  expect(convert('wp0', before)).toBeUndefined();
  const after = convert('wp0', [...before, ...readPods('steps/01-apply.yaml')]);
  expect(after && renderMessage(after)).toEqual(recorded(EXPECTED.steps[0]?.authorization.resources[0]?.message));
});

test('accounts are sorted, each once', () => {
  const policy = allowWaypointPolicy({ namespace: 'n', name: 'w', serviceAccounts: ['b', 'a', 'b'] }, 'td');
  expect(policy?.rules).toEqual([
    [[{ principals: ['td/ns/n/sa/a', 'td/ns/n/sa/b'].map((value) => ({ kind: 'exact', value })) }]],
  ]);
});
