import { createHash } from 'node:crypto';
import { policyKey } from '@ambientmesh/policy';
import type { StateChange } from '../../data-plane/protocol.ts';
import { bare, type LogField } from '../../log/line.ts';
import type { Logger } from '../../log/logger.ts';
import type { Clock } from '../certificates/certificate-source.ts';
import { ZtunnelError } from '../errors.ts';
import { WatchedFile } from '../watched-file.ts';
import type { RepeatedPolicy } from './local-config.ts';
import { LocalConfigReader } from './local-config-reader.ts';
import { changesBetween, emptySnapshot, findChangesBetween, type MeshSnapshot, snapshotOf } from './mesh-snapshot.ts';

/** A file is renamed into place, or written in a few steps that follow each other at once. */
const restMs = 100;
const maxRestMs = 1000;
/**
 * Versions that are on their way to the data threads. Beyond, the latest waits: threads that are stuck do not make the
 * process grow, and one that is stuck keeps nothing from the others at first.
 */
const MAX_GIVEN = 4;
/** Names of policies that the line about a new version shows. */
const maxNamed = 10;

/** A version of the file that was read and found good. */
export interface LocalConfigVersion {
  /** Of the bytes, in hexadecimal digits. */
  readonly sha256: string;
  readonly readAtEpochMs: number;
}

/** Why the file as it is now is not what counts. */
export interface LocalConfigRefusal {
  /** With path, line and column of the mistake. */
  readonly message: string;
  /** Undefined: it cannot be read. */
  readonly sha256: string | undefined;
  readonly atEpochMs: number;
}

/** What is told of the local configuration. */
export interface LocalConfigStatus {
  /** Undefined: given in the environment. */
  readonly path: string | undefined;
  /** The version that every data thread goes by; undefined until the first one has been taken everywhere. */
  readonly inForce: LocalConfigVersion | undefined;
  readonly refused: LocalConfigRefusal | undefined;
  readonly refusals: number;
  /** Policies of the version in force that take the place of one before them in the file. */
  readonly repeated: readonly RepeatedPolicy[];
}

/** A good version, and what is different in it from the one before. */
interface Reading {
  readonly snapshot: MeshSnapshot;
  readonly changes: readonly StateChange[];
  readonly repeated: readonly RepeatedPolicy[];
}

export interface LocalConfigFileOptions {
  readonly source: { readonly kind: 'file' | 'inline'; readonly text: string };
  readonly clock: Clock;
  /** Of `xds`. */
  readonly logger: Logger;
  /** Reads large files apart: it calls `runLocalConfigThread`. Undefined: this thread does. */
  readonly program?: URL | undefined;
}

/**
 * The local configuration (spec ztunnel.md §3.3), read again when its file changes. What is in force changes from one good
 * version to the next, as a whole; a bad one changes nothing and is told of.
 */
export class LocalConfigFile {
  readonly #options: LocalConfigFileOptions;
  readonly #reader: LocalConfigReader;
  readonly #file: WatchedFile | undefined;
  #apply: ((changes: readonly StateChange[]) => Promise<void>) | undefined;
  #snapshot = emptySnapshot;
  /** Given to `#apply` last. */
  #givenSnapshot = emptySnapshot;
  /** Of `#snapshot`. */
  #accepted: LocalConfigVersion | undefined;
  #inForce: LocalConfigVersion | undefined;
  #refused: LocalConfigRefusal | undefined;
  #refusals = 0;
  #repeated: readonly RepeatedPolicy[] = [];
  /** Numbers of the last version given to `#apply` and of the one in force. */
  #given = 0;
  #taken = 0;
  #underWay = 0;
  #closed = false;

  constructor(options: LocalConfigFileOptions) {
    const { source, clock } = options;
    this.#options = options;
    this.#reader = new LocalConfigReader(options.program);
    if (source.kind === 'inline') return;
    this.#file = new WatchedFile({
      path: source.text,
      clock,
      restMs,
      maxRestMs,
      changed: (content) => this.#take(content),
      gone: (error) => this.#refuse(error.message, undefined),
    });
  }

  /** What has been accepted last: it is in force, or about to be. */
  get snapshot(): MeshSnapshot {
    return this.#snapshot;
  }

  get status(): LocalConfigStatus {
    const { source } = this.#options;
    return {
      path: source.kind === 'file' ? source.text : undefined,
      inForce: this.#inForce,
      refused: this.#refused,
      refusals: this.#refusals,
      repeated: this.#repeated,
    };
  }

  /**
   * Reads the first version. Throws ZtunnelError (ZTUNNEL_LOCAL_CONFIG_INVALID) if it cannot be read or is bad; not when it
   * was closed meanwhile.
   */
  async start(): Promise<void> {
    const { text } = this.#options.source;
    if (this.#file === undefined) await this.#take(Buffer.from(text));
    else await this.#file.start();
    if (this.#accepted !== undefined || this.#refused === undefined || this.#closed) return;
    this.close();
    const { message, sha256 } = this.#refused;
    throw new ZtunnelError(
      'ZTUNNEL_LOCAL_CONFIG_INVALID',
      sha256 === undefined ? `LOCAL_XDS_PATH: ${message}` : message,
    );
  }

  /**
   * Gives all that is known to `apply`, and then each change; resolves when the first is in force. `apply` puts it in force
   * as one, in the order of its calls, and resolves when that has been done everywhere; it rejects only when the process is
   * about to end.
   */
  attach(apply: (changes: readonly StateChange[]) => Promise<void>): Promise<void> {
    this.#apply = apply;
    return this.#putInForce(changesBetween(this.#givenSnapshot, this.#snapshot));
  }

  /** Stops reading; what is in force stays. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#file?.close();
    this.#reader.close();
  }

  async #take(content: Buffer): Promise<void> {
    let sha256: string | undefined;
    try {
      sha256 = createHash('sha256').update(content).digest('hex');
      const config = await this.#reader.read(
        content.toString(),
        // What is cut off before it is written again would open everything for a moment.
        this.#accepted === undefined ? undefined : { policies: this.#snapshot.policies.size },
      );
      const snapshot = snapshotOf(config);
      const changes = await findChangesBetween(this.#snapshot, snapshot);
      if (!this.#closed) this.#accept({ snapshot, changes, repeated: config.repeated }, sha256);
    } catch (error) {
      if (!this.#closed) this.#refuse(error instanceof Error ? error.message : String(error), sha256);
    }
  }

  #accept({ snapshot, changes, repeated }: Reading, sha256: string): void {
    const { clock, logger } = this.#options;
    const first = this.#accepted === undefined;
    const wasRefused = this.#refused !== undefined;
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    this.#accepted = { sha256, readAtEpochMs: clock.now() };
    this.#refused = undefined;
    const counts = countsOf(snapshot);
    if (first) logger.info(counts, 'local config initialized');
    else
      logger.info(
        [...counts, ...changedPolicies(before, changes)],
        wasRefused ? 'local config is good again' : 'local config reloaded',
      );
    this.#warnOfRepeated(repeated);
    if (this.#apply === undefined || this.#underWay >= MAX_GIVEN) return;
    // None has waited meanwhile in most cases, and then these are the changes.
    const toGive = this.#givenSnapshot === before ? changes : changesBetween(this.#givenSnapshot, snapshot);
    this.#putInForce(toGive).catch(() => undefined);
  }

  #warnOfRepeated(repeated: readonly RepeatedPolicy[]): void {
    this.#repeated = repeated;
    const [first] = repeated;
    if (first === undefined) return;
    this.#options.logger.warn(
      [
        ['count', bare(String(repeated.length))],
        ['first', `policies[${first.index}]: ${first.policy} ${first.message}`],
      ],
      'local config has policies of the same name: the last one counts',
    );
  }

  #refuse(message: string, sha256: string | undefined): void {
    const { clock, logger, source } = this.#options;
    this.#refused = { message, sha256, atEpochMs: clock.now() };
    this.#refusals++;
    if (this.#accepted === undefined) return;
    const what = sha256 === undefined ? 'cannot be read' : 'is refused';
    logger.error(
      [
        ['path', source.text],
        ['error', message],
      ],
      `local config ${what}; the last good version stays in force`,
    );
  }

  async #putInForce(changes: readonly StateChange[]): Promise<void> {
    const version = this.#accepted;
    const number = ++this.#given;
    this.#givenSnapshot = this.#snapshot;
    this.#underWay++;
    try {
      await this.#apply?.(changes);
    } catch {
      return;
    }
    this.#underWay--;
    if (number > this.#taken) {
      this.#taken = number;
      this.#inForce = version;
    }
    if (this.#givenSnapshot !== this.#snapshot)
      await this.#putInForce(changesBetween(this.#givenSnapshot, this.#snapshot));
  }
}

function countsOf({ workloads, policies }: MeshSnapshot): LogField[] {
  return [
    ['num_workloads', bare(String(workloads.size))],
    ['num_policies', bare(String(policies.size))],
  ];
}

/** Which policies are new (`+`), different (`~`) or gone (`-`), and how much else has changed. */
function changedPolicies(before: MeshSnapshot, changes: readonly StateChange[]): LogField[] {
  const names = changes.flatMap((change) => {
    if (change.type === 'policy-removed') return [`-${change.key}`];
    if (change.type !== 'policy') return [];
    const key = policyKey(change.policy);
    return [`${before.policies.has(key) ? '~' : '+'}${key}`];
  });
  const more = names.length - maxNamed;
  const shown = names.slice(0, maxNamed).join(' ') + (more > 0 ? ` and ${more} more` : '');
  const others = changes.length - names.length;
  return [
    ...(names.length > 0 ? [['policies', shown] as const] : []),
    ...(others > 0 ? [['other_changes', bare(String(others))] as const] : []),
  ];
}
