import type { NodeEngine } from '../node-engine/engine.ts';
import { type Cleanup, dialTunnelClient } from '../testing/loopback.ts';
import type { ClientConnection } from '../tunnel/client-connection.ts';
import type { ClientStream, StreamHandler } from '../tunnel/tunnel-stream.ts';
import type { Application, Attack } from './attack.ts';
import { Neighbour } from './neighbour.ts';

const SOURCE_BYTES = Buffer.alloc(16_384, 's');
/** Requests that are made again and again are as many at a time. */
const REPEATED_AT_ONCE = 50;

/** A client connection of ours to a hostile server, with the streams that the attack wants. */
export class AttackedClient {
  readonly connection: ClientConnection;
  /** The neighbour stream once it is answered; rejects if it never is. */
  readonly neighbour: Promise<Neighbour>;
  readonly #attack: Attack;
  #requests: number;

  /** `closed` hears why the connection ended. */
  static async dial(
    engine: NodeEngine,
    port: number,
    attack: Attack,
    { cleanup, closed }: { readonly cleanup: Cleanup; readonly closed: (code: string | undefined) => void },
  ): Promise<AttackedClient> {
    const connection = await dialTunnelClient(engine, port, cleanup, { closed: (failure) => closed(failure?.code) });
    return new AttackedClient(connection, attack);
  }

  /** Use `dial`. */
  constructor(connection: ClientConnection, attack: Attack) {
    this.connection = connection;
    this.#attack = attack;
    this.#requests = attack.requests ?? 0;
    this.neighbour = Neighbour.open(connection);
    this.neighbour.catch(() => undefined);
    for (let count = attack.targets ?? 1; count > 0; count--) this.#open(false);
    for (let count = Math.min(this.#requests, REPEATED_AT_ONCE); count > 0; count--) this.#open(true);
  }

  #open(repeated: boolean): void {
    const application = this.#attack.application ?? 'echo';
    const fields = [
      [':method', 'CONNECT'],
      [':authority', `${application}:1`],
    ] as const;
    const again = (): void => {
      if (!repeated || this.#requests-- <= 0) return;
      // Not from inside the failure: the owner of a stream asks again when it gets to it.
      setImmediate(() => this.#open(true));
    };
    this.connection.open(fields, {
      response: (stream) => {
        stream.handler = applicationOf(stream, application, again);
        stream.start();
        if (application === 'source') stream.handler.writable();
      },
      failed: again,
    });
  }
}

function applicationOf(stream: ClientStream, application: Application, again: () => void): StreamHandler {
  const pour = (): void => {
    for (let budget = stream.budget; budget > 0; budget = stream.budget)
      stream.send(SOURCE_BYTES, 0, Math.min(budget, SOURCE_BYTES.length));
    stream.wait();
  };
  return {
    data: (_memory, start, end) => {
      if (application === 'echo') stream.credit(end - start);
    },
    ended: () => {
      if (application === 'echo') stream.end();
    },
    writable: application === 'source' ? pour : () => {},
    failed: again,
  };
}
