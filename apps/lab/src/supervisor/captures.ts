import { capturePackets, Namespace } from '@ambientmesh/netns';
import { LAB_COMMAND } from '../command-name.ts';
import type { CaptureResult } from '../control-protocol.ts';
import { LabError } from '../errors.ts';
import { cableName } from '../topology/network-plan.ts';
import type { Topology } from '../topology/topology.ts';

/** What one capture keeps at most: everything goes through one line of JSON. */
const MAX_CAPTURE_BYTES = 64 * 1_024 * 1_024;
/** Captures at once: each may come to hold the above. */
const MAX_CAPTURES = 8;

interface RunningCapture {
  /** Ends it and forgets it. */
  readonly end: () => void;
  readonly done: Promise<CaptureResult>;
}

/** Captures of frames under way, by number. */
export class Captures {
  readonly #topology: Topology;
  readonly #running = new Map<number, RunningCapture>();
  #lastId = 0;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /**
   * Begins to keep the frames of `name` and returns the capture's number. A node is listened to at its cable to the
   * other nodes, a pod at its only interface. When `asker` aborts, nobody will ask for what it has: it ends. Throws
   * LAB_NAME_UNKNOWN, LAB_TOO_MANY_CAPTURES, and the signal's reason.
   */
  start(name: string, asker: AbortSignal): number {
    asker.throwIfAborted();
    if (this.#running.size >= MAX_CAPTURES)
      throw new LabError(
        'LAB_TOO_MANY_CAPTURES',
        `${name}: ${MAX_CAPTURES} captures run already, and no more may at once (end one first)`,
      );
    const stop = new AbortController();
    const node = this.#topology.nodes.findIndex((spec) => spec.name === name);
    const frames = node >= 0 ? this.#ofNode(node, stop.signal) : this.#ofPod(name, stop.signal);
    const done = collect(frames);
    // Whoever stops the capture hears of its failure; until then nobody listens.
    done.catch(() => undefined);
    this.#lastId += 1;
    const id = this.#lastId;
    const end = (): void => {
      asker.removeEventListener('abort', end);
      this.#running.delete(id);
      stop.abort();
    };
    asker.addEventListener('abort', end);
    this.#running.set(id, { end, done });
    return id;
  }

  /** Ends a capture and returns what it has. Throws LAB_ARGUMENT_INVALID if there is none of the number. */
  async stop(id: number): Promise<CaptureResult> {
    const capture = this.#running.get(id);
    if (capture === undefined) throw new LabError('LAB_ARGUMENT_INVALID', `no capture ${id}`);
    capture.end();
    return capture.done;
  }

  #ofNode(index: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const namespace = Namespace.current();
    try {
      return capturePackets(namespace, { interface: cableName('node', index), signal });
    } finally {
      namespace.close();
    }
  }

  #ofPod(name: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (!this.#topology.pods.some((pod) => pod.name === name))
      throw new LabError('LAB_NAME_UNKNOWN', `${name}: no node or pod of the name (see \`${LAB_COMMAND} status\`)`);
    const namespace = Namespace.open(`/run/netns/${name}`);
    try {
      return capturePackets(namespace, { interface: 'eth0', signal });
    } finally {
      namespace.close();
    }
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<CaptureResult> {
  const frames: string[] = [];
  let bytes = 0;
  let dropped = 0;
  for await (const frame of source) {
    bytes += frame.length;
    if (bytes > MAX_CAPTURE_BYTES) dropped += 1;
    else frames.push(Buffer.from(frame).toString('base64'));
  }
  return { frames, dropped };
}
