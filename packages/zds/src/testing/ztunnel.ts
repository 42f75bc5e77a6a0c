import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Namespace, NetnsError } from '@ambientmesh/netns';
import { ZdsClient, type ZdsClientOptions } from '../client.ts';
import type { ZdsLogger } from '../logger.ts';
import type { WorkloadInfo } from '../messages.ts';
import type { ProxyHandler } from '../workload-manager.ts';

/** A folder for the sockets of one test file. */
export class SocketFolder implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'zds-'));
  #sockets = 0;

  freshPath(): string {
    this.#sockets += 1;
    return join(this.#path, `${this.#sockets}.sock`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/** How many descriptors this process has. */
export const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
/** Any two namespace files are two namespaces for the protocol; making network namespaces needs root. */
export const netnsA = (): Namespace => Namespace.open('/proc/self/ns/net');
/** The other one. */
export const netnsB = (): Namespace => Namespace.open('/proc/self/ns/mnt');
/** Of every pod here. */
export const info: WorkloadInfo = { name: 'name', namespace: 'ns', serviceAccount: 'sa' };
/** What a listener on a port that is taken throws. */
const addrInUse = (): NetnsError =>
  new NetnsError('NETNS_ADDRESS_IN_USE', 'taken', {
    operation: 'bind',
    address: '[::]:15008',
    errno: 'EADDRINUSE',
    errnoNumber: 98,
    reason: 'Address already in use',
  });
/** The negative answer for it, in the words of the reference ztunnel. */
export const REFUSED =
  'failure to start proxy : Bind([::]:15008, Os { code: 98, kind: AddrInUse, message: "Address already in use" })';

/** Proxies that are only remembered; `taken` namespaces cannot be had. */
export class Proxies extends EventEmitter implements ProxyHandler {
  readonly running = new Map<string, bigint>();
  readonly events: string[] = [];
  readonly taken = new Set<bigint>();

  start(uid: string, _info: WorkloadInfo, netns: Namespace): Promise<void> {
    if (this.taken.has(netns.id.inode)) return Promise.reject(addrInUse());
    this.running.set(uid, netns.id.inode);
    this.events.push(`start ${uid}`);
    return Promise.resolve();
  }

  stop(uid: string): void {
    this.running.delete(uid);
    this.events.push(`stop ${uid}`);
  }
}

/** Log lines in the form `level scope message k=v`. */
export class Lines {
  readonly lines: string[] = [];
  readonly loggerFor = (scope: string): ZdsLogger => {
    const log =
      (level: string): ZdsLogger['info'] =>
      (fields, message) => {
        const text = fields.map(
          ([key, value]) => ` ${key}=${typeof value === 'object' ? value.bare : JSON.stringify(value)}`,
        );
        this.lines.push(`${level} ${scope} ${message}${text.join('')}`);
      };
    return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  };
}

/** Sleeps end when told. */
export class ManualClock extends EventEmitter {
  readonly sleeps: { readonly milliseconds: number; end(): void }[] = [];
  readonly asked: number[] = [];

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => reject(new Error('aborted')));
    this.sleeps.push({ milliseconds, end: resolve });
    this.asked.push(milliseconds);
    this.emit('sleep');
    return promise;
  }

  random(): number {
    return 0.5;
  }

  async sleeping(): Promise<void> {
    if (this.sleeps.length === 0) await once(this, 'sleep');
  }

  /** Ends the next sleep, waiting until there is one. */
  async tick(): Promise<number> {
    await this.sleeping();
    const sleep = this.sleeps.shift();
    sleep?.end();
    return sleep?.milliseconds ?? 0;
  }
}

/** A ztunnel's end with everything a test looks at. */
export interface Ztunnel extends AsyncDisposable {
  readonly client: ZdsClient;
  readonly proxies: Proxies;
  readonly lines: string[];
  readonly clock: ManualClock;
  readonly ended: Promise<unknown>;
  readonly stop: AbortController;
  readonly readiness: boolean[];
  readinessIs(ready: boolean): Promise<void>;
}

/** A ztunnel that connects to `path`; its proxies are only remembered. */
export function ztunnel(path: string, options: Partial<ZdsClientOptions> = {}): Ztunnel {
  const proxies = new Proxies();
  const { lines, loggerFor } = new Lines();
  const clock = new ManualClock();
  const changes = new EventEmitter();
  const readiness: boolean[] = [];
  const onReadiness = (ready: boolean): void => {
    readiness.push(ready);
    changes.emit('change');
  };
  const client = new ZdsClient({ path, handler: proxies, loggerFor, clock, onReadiness, ...options });
  const stop = new AbortController();
  const ended = client.run(stop.signal).catch((error: unknown) => error);
  return {
    client,
    proxies,
    lines,
    clock,
    ended,
    stop,
    readiness,
    async readinessIs(ready) {
      while (client.ready !== ready) await once(changes, 'change');
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
