import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readMessage } from '../message/read-message.ts';
import { renderMessage } from '../message/render-message.ts';
import { type Conversion, convertPolicies } from './convert-policies.ts';
import { isPolicyObject, readPolicyObject } from './read-policy-object.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/conversion/xds');

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
}

interface Resource {
  readonly name: string;
  readonly message: {
    readonly workload?: {
      readonly namespace: string;
      readonly name: string;
      readonly authorization_policies?: readonly string[];
    };
  };
}

interface Change {
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

interface Status {
  readonly object: string;
  readonly field_manager: string;
  readonly conditions: readonly unknown[];
}

interface Step {
  readonly address: Change | null;
  readonly authorization: Change | null;
  readonly status?: readonly Status[];
}

interface Expected {
  readonly initial: Step;
  readonly steps?: readonly Step[];
}

/** Where the recording and we differ on purpose: step 0 is the beginning. */
interface Departures {
  /** Policies that the reference takes away though workloads name them (spec istiod.md §6.3 Q). */
  readonly kept?: readonly { readonly step: number; readonly policy: string }[];
  /** Workloads that the reference lets select everything, as they have no label at all. */
  readonly unlabelled?: readonly string[];
  /** Objects whose status has a remark of ours after the text of the reference. */
  readonly remarked?: readonly string[];
}

const SCENARIOS: readonly {
  readonly name: string;
  readonly rootNamespace?: string;
  readonly departures?: Departures;
}[] = [
  { name: 'ap-convert' },
  { name: 'ap-l7' },
  { name: 'ap-scopes', departures: { remarked: ['default/empty-sel', 'default/empty-labels'] } },
  { name: 'ap-unsupported' },
  {
    name: 'pa-ports',
    departures: {
      kept: [
        { step: 1, policy: 'default/converted_peer_authentication_a' },
        { step: 1, policy: 'default/converted_peer_authentication_g' },
      ],
    },
  },
  { name: 'pa-scopes' },
  { name: 'mesh-trust-domain', rootNamespace: 'mesh-root', departures: { unlabelled: ['w', 'sl'] } },
];

/** Applies and deletes as an API server, and keeps what the messages so far leave a client with. */
class Replay {
  readonly objects = new Map<string, KubernetesObject>();
  readonly policies = new Map<string, unknown>();
  readonly listed = new Map<string, readonly string[]>();

  change(file: string): void {
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
      const object: KubernetesObject = document.toJS();
      const key = `${object.kind}/${object.metadata.namespace ?? ''}/${object.metadata.name}`;
      if (file.endsWith('-delete.yaml')) this.objects.delete(key);
      else this.objects.set(key, object);
    }
  }

  expect({ address, authorization }: Step): void {
    for (const { name, message } of authorization?.resources ?? []) this.policies.set(name, message);
    for (const name of authorization?.removed ?? []) this.policies.delete(name);
    for (const { message } of address?.resources ?? [])
      if (message.workload !== undefined) {
        const { namespace, name, authorization_policies: keys = [] } = message.workload;
        this.listed.set(`${namespace}/${name}`, keys);
      }
  }

  convert(rootNamespace: string | undefined): Conversion {
    const objects = [...this.objects.values()].filter(isPolicyObject).map(readPolicyObject);
    return convertPolicies(objects, rootNamespace === undefined ? {} : { rootNamespace });
  }
}

const messagesOf = ({ policies }: Conversion) =>
  Object.fromEntries(policies.map((policy) => [`${policy.namespace}/${policy.name}`, renderMessage(policy)]));

function expectStatuses(conversion: Conversion, step: Step, remarked: readonly string[]): void {
  const made = new Map(conversion.statuses.map((status) => [`${status.kind}/${status.object}`, status]));
  for (const { object, field_manager: manager, conditions } of step.status ?? []) {
    if (manager !== 'istio-ambient-ztunnel-policy') continue;
    const status = made.get(object);
    if (status === undefined) throw new Error(`no status of ${object}`);
    const { accepted, reason, observedGeneration } = status;
    const message = remarked.includes(status.object)
      ? status.message.replace(/\. The selector .*/, '')
      : status.message;
    expect(message === status.message).toBe(!remarked.includes(status.object));
    expect(conditions).toEqual([
      {
        type: 'ZtunnelAccepted',
        status: accepted ? 'True' : 'False',
        reason,
        message,
        ...(observedGeneration !== undefined && { observedGeneration: String(observedGeneration) }),
      },
    ]);
  }
}

function expectWorkloads(conversion: Conversion, replay: Replay, unlabelled: readonly string[]): void {
  for (const { kind, metadata } of replay.objects.values()) {
    if ((kind !== 'Pod' && kind !== 'WorkloadEntry') || unlabelled.includes(metadata.name)) continue;
    const { namespace = '', name, labels = {} } = metadata;
    const keys = conversion.policiesOf({ namespace, labels });
    expect({ name, keys }).toEqual({ name, keys: replay.listed.get(`${namespace}/${name}`) });
  }
}

/** The files of a scenario: objects at first, then changes of them. */
function filesOf(folder: string): readonly string[] {
  const steps = readdirSync(folder).includes('steps') ? readdirSync(join(folder, 'steps')).toSorted() : [];
  return [join(folder, 'input.yaml'), ...steps.map((file) => join(folder, 'steps', file))];
}

test.each(SCENARIOS)('$name', ({ name, rootNamespace, departures = {} }) => {
  const folder = join(FOLDER, name);
  const expected: Expected = parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  const steps = [expected.initial, ...(expected.steps ?? [])];
  const files = filesOf(folder);
  expect(steps).toHaveLength(files.length);
  const replay = new Replay();
  const kept = new Map<string, unknown>();
  for (const [index, step] of steps.entries()) {
    replay.change(files[index] ?? '');
    for (const { step: from, policy } of departures.kept ?? [])
      if (from === index) kept.set(policy, replay.policies.get(policy));
    replay.expect(step);
    const conversion = replay.convert(rootNamespace);
    const wanted = Object.fromEntries(
      [...replay.policies, ...kept].map(([key, message]) => [key, renderMessage(readMessage(message))]),
    );
    expect(messagesOf(conversion), `step ${index}`).toEqual(wanted);
    expectStatuses(conversion, step, departures.remarked ?? []);
    expectWorkloads(conversion, replay, departures.unlabelled ?? []);
  }
});

test('no workload is selected by labels that it has not, though the reference says so of one without any', () => {
  const replay = new Replay();
  replay.change(join(FOLDER, 'mesh-trust-domain/input.yaml'));
  expect(replay.convert('mesh-root').policiesOf({ namespace: 'default', labels: {} })).toEqual([
    'mesh-root/istio_converted_static_strict',
  ]);
});

test('every status of an object that is for node proxies is in the recording', () => {
  for (const scenario of ['ap-l7', 'ap-scopes', 'ap-unsupported']) {
    const replay = new Replay();
    replay.change(join(FOLDER, scenario, 'input.yaml'));
    const expected: Expected = parse(readFileSync(join(FOLDER, scenario, 'expected.json'), 'utf8'));
    const recorded = (expected.initial.status ?? []).filter(
      (status) => status.field_manager === 'istio-ambient-ztunnel-policy',
    );
    expect(
      replay
        .convert(undefined)
        .statuses.map(({ kind, object }) => `${kind}/${object}`)
        .toSorted(),
    ).toEqual(recorded.map(({ object }) => object).toSorted());
  }
});
