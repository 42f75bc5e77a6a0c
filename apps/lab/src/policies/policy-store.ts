import {
  type Conversion,
  convertPolicies,
  findObjectProblems,
  type PolicyObject,
  type Problem,
  readPolicyObject,
} from '@ambientmesh/policy';
import { LAB_COMMAND } from '../command-name.ts';
import { LabError } from '../errors.ts';
import { DEFAULT_NAMESPACE, DEFAULT_TOPOLOGY, type Topology } from '../topology/topology.ts';
import {
  asRecord,
  isPolicyObjectName,
  isRecord,
  parsePolicyObjectName,
  policyObjectNameOf,
} from './policy-object-name.ts';
import type { PolicyChange, PolicyReport, PolicyStatus, RefusedPolicy } from './policy-report.ts';
import { explainNoPod, isForWaypoint, selectPods } from './selected-pods.ts';
import { findServicePorts } from './service-ports.ts';

const FOR_WAYPOINT = 'it is for a waypoint (targetRefs): ztunnels do not get it';
const DRY_RUN = `dry run: denies nothing; \`${LAB_COMMAND} denials\` shows what it would deny`;
const NO_NAMESPACE = `names no namespace: it is in ${DEFAULT_NAMESPACE}`;

/** Of an object of which no version has been taken yet. */
const NEVER_TAKEN = {
  effect: '-',
  dryRun: false,
  generation: 0,
  accepted: false,
  confirmed: false,
  pods: [],
  notes: [],
} as const;

interface StoredObject {
  readonly object: PolicyObject;
  /** As given, for comparison and display. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
  readonly generation: number;
  readonly warnings: readonly Problem[];
  /** Of a newer version. */
  readonly refused: readonly Problem[];
}

/** The policy objects of a lab, in the part of the API server: takes, checks, keeps and lists them. */
export class PolicyStore {
  readonly #objects = new Map<string, StoredObject>();
  /** What was wrong with objects of which no version has been taken yet. */
  readonly #neverTaken = new Map<string, readonly Problem[]>();
  /** Deleted, and it is not yet known whether the ztunnels go by that; those of which no version was taken, too. */
  readonly #leaving = new Set<string>();
  /** Taken, and it is not yet known whether the ztunnels go by that. */
  readonly #unconfirmed = new Set<string>();
  readonly #topology: Pick<Topology, 'pods' | 'services'>;
  readonly #now: () => Date;
  #conversion: Conversion = convertPolicies([], { dryRun: true });

  /** `now` gives the creation times, by which the conversion finds the oldest of several. */
  constructor(topology: Pick<Topology, 'pods' | 'services'> = DEFAULT_TOPOLOGY, now: () => Date = () => new Date()) {
    this.#topology = topology;
    this.#now = now;
  }

  /** What all objects together mean to ztunnels. */
  get conversion(): Conversion {
    return this.#conversion;
  }

  /** Takes new objects and new versions. One that is malformed is refused, its previous version stays; the others are taken. */
  apply(values: readonly unknown[]): Omit<PolicyReport, 'restarted'> {
    const taken: PolicyChange[] = [];
    const refused: RefusedPolicy[] = [];
    for (const [index, given] of values.entries()) {
      const value = withNamespace(asRecord(given));
      const name = policyObjectNameOf(value);
      const problems = findObjectProblems(isRecord(given) ? value : given);
      const errors = problems.filter(({ severity }) => severity === 'error');
      if (errors.length > 0) refused.push(this.#refuse({ object: name, index, problems: errors }));
      else
        taken.push({
          object: name,
          change: this.#take(name, value, problems),
          notes: hasNamespace(given) ? [] : [NO_NAMESPACE],
        });
    }
    this.#convert();
    const changes = taken.map((change) => ({ ...change, notes: [...change.notes, ...this.#notesOf(change.object)] }));
    return { changes, refused };
  }

  /** Says that the ztunnels go by `conversion`. */
  published(): void {
    this.#leaving.clear();
    this.#unconfirmed.clear();
  }

  /** Removes objects by `KIND/NAMESPACE/NAME`; all, or none; once more as long as it is not `published`. Throws LAB_ARGUMENT_INVALID, LAB_NAME_UNKNOWN. */
  delete(texts: readonly string[]): readonly PolicyChange[] {
    const names = texts.map(parsePolicyObjectName);
    const unknown = names.filter(
      (name) => !this.#objects.has(name) && !this.#neverTaken.has(name) && !this.#leaving.has(name),
    );
    if (unknown.length > 0) {
      const others = unknown.length < names.length ? '; none is deleted' : '';
      throw new LabError(
        'LAB_NAME_UNKNOWN',
        `${unknown.join(', ')}: no such policy (there are ${this.#known()})${others}`,
      );
    }
    for (const name of names) {
      this.#objects.delete(name);
      this.#neverTaken.delete(name);
      this.#unconfirmed.delete(name);
      this.#leaving.add(name);
    }
    this.#convert();
    return names.map((object) => ({ object, change: 'deleted', notes: [] }));
  }

  /** Everything that is in force, and what was refused from the first, by name. */
  list(): readonly PolicyStatus[] {
    const taken = [...this.#objects].map(([name, stored]) => this.#describe(name, stored));
    const never = [...this.#neverTaken].map(([object, refused]) => ({ ...NEVER_TAKEN, object, refused }));
    return [...taken, ...never].toSorted((one, other) => (one.object < other.object ? -1 : 1));
  }

  #describe(name: string, stored: StoredObject): PolicyStatus {
    return {
      object: name,
      effect: effectOf(stored.object),
      dryRun: this.#isDryRun(name),
      generation: stored.generation,
      accepted: this.#statusOf(name)?.accepted ?? !isForWaypoint(stored.object),
      confirmed: !this.#unconfirmed.has(name),
      pods: selectPods(stored.object, this.#topology.pods).map((pod) => pod.name),
      notes: this.#notesOf(name),
      refused: stored.refused,
    };
  }

  #take(name: string, value: Readonly<Record<string, unknown>>, warnings: readonly Problem[]): PolicyChange['change'] {
    this.#neverTaken.delete(name);
    this.#leaving.delete(name);
    const previous = this.#objects.get(name);
    if (previous !== undefined && JSON.stringify(previous.value) === JSON.stringify(value)) {
      this.#objects.set(name, { ...previous, refused: [] });
      return 'unchanged';
    }
    this.#unconfirmed.add(name);
    const createdAt = previous?.createdAt ?? this.#now().toISOString();
    const metadata = { ...asRecord(value['metadata']), creationTimestamp: createdAt };
    const object = readPolicyObject({ ...value, metadata });
    const generation = (previous?.generation ?? 0) + 1;
    this.#objects.set(name, { object, value, createdAt, generation, warnings, refused: [] });
    return previous === undefined ? 'created' : 'configured';
  }

  #refuse(refusal: Omit<RefusedPolicy, 'previous'>): RefusedPolicy {
    const previous = this.#objects.get(refusal.object);
    if (previous !== undefined) this.#objects.set(refusal.object, { ...previous, refused: refusal.problems });
    else if (isPolicyObjectName(refusal.object)) this.#neverTaken.set(refusal.object, refusal.problems);
    return { ...refusal, previous: previous !== undefined };
  }

  #convert(): void {
    this.#conversion = convertPolicies(
      [...this.#objects.values()].map(({ object }) => object),
      { dryRun: true },
    );
  }

  #notesOf(name: string): readonly string[] {
    const stored = this.#objects.get(name);
    if (stored === undefined) return [];
    const { object, warnings } = stored;
    const { pods, services } = this.#topology;
    const { accepted = true, reason, message = '' } = this.#statusOf(name) ?? {};
    // Of one that is taken it says what the warnings say, without the place.
    const told = reason === 'Accepted' || (accepted && warnings.length > 0);
    return [
      ...warnings.map(({ path, message: text }) => `${path}: ${text}`),
      this.#isDryRun(name) ? DRY_RUN : undefined,
      isForWaypoint(object) ? FOR_WAYPOINT : undefined,
      message === '' || told ? undefined : `${reason}: ${message}`,
      explainNoPod(object, pods),
      ...findServicePorts(object, selectPods(object, pods), services),
    ].filter((note) => note !== undefined);
  }

  #statusOf(name: string): Conversion['statuses'][number] | undefined {
    return this.#conversion.statuses.find(({ kind, object }) => `${kind}/${object}` === name);
  }

  #isDryRun(name: string): boolean {
    return this.#conversion.policies.some(
      (policy) => policy.dryRun && `AuthorizationPolicy/${policy.namespace}/${policy.name}` === name,
    );
  }

  #known(): string {
    const known = [...this.#objects.keys(), ...this.#neverTaken.keys()];
    return known.length === 0 ? 'none' : known.join(', ');
  }
}

/** As kubectl: who says no namespace means `default`. */
function withNamespace(object: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const metadata = asRecord(object['metadata']);
  if (Object.keys(metadata).length === 0) return object;
  return { ...object, metadata: { ...metadata, namespace: metadata['namespace'] ?? DEFAULT_NAMESPACE } };
}

function hasNamespace(given: unknown): boolean {
  return (asRecord(asRecord(given)['metadata'])['namespace'] ?? undefined) !== undefined;
}

/** `DENY`; of a `PeerAuthentication` the modes: `STRICT, 9000 PERMISSIVE`. */
function effectOf(object: PolicyObject): string {
  if (object.kind === 'AuthorizationPolicy') return object.spec?.action ?? 'ALLOW';
  const { mtls, portLevelMtls = {} } = object.spec ?? {};
  const ports = Object.entries(portLevelMtls).map(([port, { mode = 'UNSET' }]) => `${port} ${mode}`);
  return [mtls?.mode ?? 'UNSET', ...ports].join(', ');
}
