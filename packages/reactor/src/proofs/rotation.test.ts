/** Certificates are replaced again and again, under load. */
import { X509Certificate } from 'node:crypto';
import type { TlsOptions } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { allocatedBytes } from '../testing/allocated-bytes.ts';
import { NOTHING, TunnelRig } from '../testing/tunnel-rig.ts';
import { PatternedEnd } from './patterned-end.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const ROTATIONS = 24;
/** Connections of each generation, which stay until the end of the one after the next. */
const CONNECTIONS = 4;
const GENERATIONS_OPEN = 3;
const CHUNK_BYTES = 10_000;
const TURNS_A_ROTATION = 6;
const MEBIBYTE = 1_048_576;

type Pair = readonly [client: PatternedEnd, server: PatternedEnd];

class Rotation {
  readonly rig = new TunnelRig();
  readonly #generations: Pair[][] = [];
  #numbers = 0;
  received = 0;

  /** A generation with credentials of its own: the one before has lost its own, and goes on. */
  async rotate(generation: number): Promise<readonly string[]> {
    const [client, server] = [
      this.rig.tls(`spiffe://a/ns/c/sa/${generation}`),
      this.rig.tls(`spiffe://a/ns/s/sa/${generation}`),
    ];
    const pairs: Pair[] = [];
    for (let count = 0; count < CONNECTIONS; count++) pairs.push(await this.#begin(client, server));
    await this.rig.until(() => pairs.flat().every(({ events }) => events.length > 0), 'the handshakes');
    // Of those that were begun with them some are old, and others not even a turn.
    client.credentials.close?.();
    server.credentials.close?.();
    this.#generations.push(pairs);
    await this.stream();
    if (this.#generations.length > GENERATIONS_OPEN) await this.#end(this.#generations.shift()!);
    return pairs.flat().map(({ secure }) => new X509Certificate(secure!.peerChain[0]!).subjectAltName ?? '');
  }

  async stream(): Promise<void> {
    for (let turn = 0; turn < TURNS_A_ROTATION; turn++) {
      for (const end of this.#generations.flat(2)) if (end.secure!.room > 0) end.send(CHUNK_BYTES);
      await this.rig.turn();
    }
  }

  async endAll(): Promise<void> {
    for (const pairs of this.#generations.splice(0)) await this.#end(pairs);
  }

  async #begin(client: TlsOptions, server: TlsOptions): Promise<Pair> {
    const [dialled, accepted] = await this.rig.pair();
    const number = this.#numbers;
    this.#numbers += 2;
    const pair = [new PatternedEnd(number, number + 1), new PatternedEnd(number + 1, number)] as const;
    pair[0].secure = this.rig.engine.secureClient(dialled, client, pair[0]);
    pair[1].secure = this.rig.engine.secureServer(accepted, server, pair[1]);
    return pair;
  }

  async #end(pairs: readonly Pair[]): Promise<void> {
    const ends = pairs.flat();
    const isComplete = ([one, other]: Pair): boolean => one.received === other.sent && other.received === one.sent;
    await this.rig.until(
      () => pairs.every(isComplete) || ends.some(({ failure }) => failure !== undefined),
      'all bytes',
    );
    for (const { failure, wrong, received } of ends) {
      if (failure !== undefined || wrong) throw new Error(JSON.stringify({ failure, wrong }));
      this.received += received;
    }
    for (const { secure } of ends) secure!.close();
  }
}

test(
  `${ROTATIONS} rotations: those that run go on to their last octet, new ones have the new, nothing of the old stays`,
  PATIENCE,
  async () => {
    const rotation = new Rotation();
    await using rig = rotation.rig;
    let before = 0;
    for (let generation = 0; generation < ROTATIONS; generation++) {
      const names = await rotation.rotate(generation);
      const pair = [`URI:spiffe://a/ns/s/sa/${generation}`, `URI:spiffe://a/ns/c/sa/${generation}`];
      expect(names).toEqual(Array.from({ length: CONNECTIONS }, () => pair).flat());
      if (generation === ROTATIONS / 2) before = allocatedBytes();
    }
    // Certificates, keys and roots of a generation are 100 KB; those that are open then and now are as many.
    expect(allocatedBytes() - before).toBeLessThan(MEBIBYTE);
    await rotation.endAll();
    expect(rotation.received).toBeGreaterThan(ROTATIONS * CHUNK_BYTES);
    expect(await rig.empty()).toEqual(NOTHING);
    rig.stop();
  },
);
