/** What connections wait for: the record of their pod, and a certificate. */
import type { Cancellable, Credentials, CredentialsSource, Engine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { workload } from '../state/fixtures.ts';
import { MeshState } from '../state/mesh-state.ts';
import { ThreadCertificates } from './certificates.ts';
import { LocalWorkloads } from './local-workloads.ts';
import type { CertificateMaterial } from './protocol.ts';

const WAIT_MS = 5_000;
const info = { name: 'pod', namespace: 'default', serviceAccount: 'default' };
const pod = workload({ name: 'pod' });

/** An engine whose timers a test runs by hand, and which takes every PEM text but `bad`. */
class FakeEngine implements Engine {
  readonly timers = new Map<() => void, number>();
  readonly listen: Engine['listen'] = unused;
  readonly connect: Engine['connect'] = unused;
  readonly secureServer: Engine['secureServer'] = unused;
  readonly secureClient: Engine['secureClient'] = unused;
  readonly atEndOfTurn: Engine['atEndOfTurn'] = unused;
  readonly now: Engine['now'] = unused;

  after(ms: number, callback: () => void): Cancellable {
    this.timers.set(callback, ms);
    return { cancel: () => void this.timers.delete(callback) };
  }

  credentials({ chainPem }: CredentialsSource): Credentials {
    if (chainPem === 'bad') throw new Error('cannot be read');
    return { engine: this };
  }

  fire(): void {
    for (const callback of this.timers.keys()) {
      this.timers.delete(callback);
      callback();
    }
  }
}

function unused(): never {
  throw new Error('not to be called');
}

test('workload: known, unknown and then told, never told, called off', () => {
  const [state, engine] = [new MeshState(), new FakeEngine()];
  const workloads = new LocalWorkloads(state, engine);
  const answers: string[] = [];
  const ask = (name: string) => workloads.resolve(info, (found) => answers.push(`${name} ${found?.name}`));

  ask('first');
  ask('second')?.cancel();
  expect([...engine.timers.values()]).toEqual([WAIT_MS]);
  state.putWorkload(workload({ name: 'other' }), []);
  workloads.changed();
  expect(answers).toEqual([]);
  state.putWorkload(pod, []);
  workloads.changed();
  expect(ask('third')).toBeUndefined();
  expect(answers).toEqual(['first pod', 'third pod']);
  expect(engine.timers.size).toBe(0);

  state.removeWorkload(pod.uid);
  ask('fourth');
  engine.fire();
  state.putWorkload(pod, []);
  workloads.changed();
  expect(answers.slice(2)).toEqual(['fourth undefined']);
});

test('workload: another account of the same name is another pod', () => {
  const [state, engine] = [new MeshState(), new FakeEngine()];
  state.putWorkload({ ...pod, serviceAccount: 'other' }, []);
  const answers: unknown[] = [];
  new LocalWorkloads(state, engine).resolve(info, (found) => answers.push(found));
  engine.fire();
  expect(answers).toEqual([undefined]);
});

const ID = 'spiffe://cluster.local/ns/default/sa/a';
const material: CertificateMaterial = { identity: ID, chainPem: 'good', privateKeyPem: '', rootsPem: [] };

function certificates() {
  const wanted: string[] = [];
  const held = new ThreadCertificates(new FakeEngine(), (identity) => wanted.push(identity));
  const heard: string[] = [];
  const ask = (name: string, identity = ID) =>
    held.request(identity, {
      ready: () => heard.push(`${name} ready`),
      unavailable: (message) => heard.push(`${name} ${message}`),
    });
  return { held, wanted, heard, ask };
}

test('certificate: asked for once, all waiters are told, later ones at once', () => {
  const { held, wanted, heard, ask } = certificates();
  ask('1');
  ask('2');
  ask('3')?.cancel();
  ask('4', `${ID}b`);
  expect(wanted).toEqual([ID, `${ID}b`]);
  held.put(material);
  expect(ask('5')).toBeUndefined();
  expect(heard).toEqual(['1 ready', '2 ready', '5 ready']);
});

test('certificate: unavailable is the answer until one comes', () => {
  const { held, wanted, heard, ask } = certificates();
  ask('1');
  held.unavailable(ID, 'no CA');
  expect(ask('2')).toBeUndefined();
  held.put(material);
  ask('3');
  expect(heard).toEqual(['1 no CA', '2 no CA', '3 ready']);
  expect(wanted).toEqual([ID]);
});

test('certificate: forgotten while wanted, then wanted again', () => {
  const { held, wanted, heard, ask } = certificates();
  ask('1');
  held.forget(ID);
  ask('2');
  expect(heard).toEqual(['1 the identity is no longer needed']);
  expect(wanted).toEqual([ID, ID]);
});

test('certificate: one that cannot be used ends the wait, and replaces none that can', () => {
  const { held, heard, ask } = certificates();
  ask('1');
  held.put({ ...material, chainPem: 'bad' });
  ask('2');
  held.put(material);
  held.put({ ...material, chainPem: 'bad' });
  ask('3');
  expect(heard).toEqual(['1 cannot be read', '2 cannot be read', '3 ready']);
});

test('certificate: an identity that is none', () => {
  const { held, heard, ask } = certificates();
  ask('1', 'spiffe://x');
  held.put({ ...material, identity: 'spiffe://x' });
  expect(heard).toEqual(['1 spiffe://x is no identity']);
});
