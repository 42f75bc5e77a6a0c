import { checkOption, SWITCH } from '../core/check-option.ts';
import type { ToolPlace } from '../tool-place.ts';
import { findTools } from '../tools.ts';
import { type WorkOptions, withWorkplace } from '../workplace.ts';
import { buildIpsetSets } from './ipset-sets.ts';
import { buildNftSets } from './nft-sets.ts';
import { type ProbeEntry, type ProbePod, readPods } from './probe-entry.ts';
import type { SetBackend } from './set-backend.ts';

/** Where the sets are: `backend` decides between ipsets (default) and sets of the table `inet istio-ambient-nat`. */
export interface ProbeSetOptions extends WorkOptions {
  /** False: there is no set for IPv6, and IPv6 addresses are skipped. Default true. */
  readonly ipv6?: boolean;
}

/** An address that was not removed because it belongs to another pod by now. */
export interface ProbeConflict {
  readonly address: string;
  readonly podUid: string;
  /** Absent if nobody knows whose it is. */
  readonly otherUid?: string;
}

/** What {@link ProbeSets.sync} did. */
export interface ProbeSyncResult {
  /** Entries of the set that no pod has. */
  readonly removed: readonly ProbeEntry[];
  /** A pod had no address yet, so that nobody knows which entries are stale: none was removed. */
  readonly removalSkipped: boolean;
}

/**
 * The sets `istio-inpod-probes-v4` and `-v6` of a host: addresses of mesh pods that probes may reach, each with its
 * pod's UID as comment. Calls on one object are carried out one after the other. All throw `IPTABLES_SET_FAILED`,
 * `IPTABLES_PERMISSION`, `IPTABLES_TOOL_MISSING`, `IPTABLES_NAMESPACE_GONE`, and `IPTABLES_RULE_INVALID`, before
 * anything has changed, for what is no address or UID.
 */
export interface ProbeSets {
  /** Makes the sets; those that exist are left as they are. */
  ensure(): Promise<void>;
  /** Removes all entries. */
  flush(): Promise<void>;
  /** Adds the addresses of pods; an address of another pod becomes theirs. One process. */
  upsert(pods: readonly ProbePod[]): Promise<void>;
  /** Removes the addresses of pods, except those that belong to another pod by now, which it gives back. */
  remove(pods: readonly ProbePod[]): Promise<readonly ProbeConflict[]>;
  list(): Promise<readonly ProbeEntry[]>;
  /**
   * Makes the entries those of `snapshot`: adds what is missing, then removes what no pod has; the removal is skipped if
   * a pod of the snapshot has no address, for its entry would be among the removed.
   */
  sync(snapshot: readonly ProbePod[]): Promise<ProbeSyncResult>;
  /** Removes the sets (with nftables: the table they are in); no rule may name them any more. */
  destroy(): Promise<void>;
}

/**
 * Finds the programs; no set is touched before it is asked for. Throws the codes of `findTools`, and
 * `IPTABLES_RULE_INVALID` for a backend that there is not.
 */
export async function openProbeSets(options: ProbeSetOptions = {}): Promise<ProbeSets> {
  checkOption('backend', options.backend, ['iptables', 'nftables', undefined]);
  checkOption('ipv6', options.ipv6, SWITCH);
  const { signal } = options;
  const tools = options.tools ?? (await findTools(signal === undefined ? {} : { signal }));
  const families = options.ipv6 === false ? (['ipv4'] as const) : (['ipv4', 'ipv6'] as const);
  const backend = options.backend === 'nftables' ? buildNftSets(families) : buildIpsetSets(families);
  return new SerialProbeSets(backend, { ...options, tools });
}

class SerialProbeSets implements ProbeSets {
  readonly #backend: SetBackend;
  readonly #options: ProbeSetOptions;
  /** Settles, never rejecting, when the call before has ended: list-then-change must not be interleaved. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(backend: SetBackend, options: ProbeSetOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  ensure(): Promise<void> {
    return this.#inTurn((place) => this.#backend.ensure(place));
  }

  flush(): Promise<void> {
    return this.#inTurn((place) => this.#backend.flush(place));
  }

  upsert(pods: readonly ProbePod[]): Promise<void> {
    return this.#inTurn((place) => this.#backend.change(place, { put: this.#read(pods), remove: [] }));
  }

  remove(pods: readonly ProbePod[]): Promise<readonly ProbeConflict[]> {
    return this.#inTurn(async (place) => {
      const entries = this.#read(pods);
      if (entries.length === 0) return [];
      const there = new Map((await this.#backend.list(place)).map((entry) => [entry.address, entry]));
      const own = entries.filter(({ address, podUid }) => there.get(address)?.podUid === podUid);
      await this.#backend.change(place, { put: [], remove: own });
      return entries.flatMap(({ address, podUid }) => {
        const other = there.get(address);
        if (other === undefined || other.podUid === podUid) return [];
        return [{ address, podUid, ...(other.podUid === undefined ? {} : { otherUid: other.podUid }) }];
      });
    });
  }

  list(): Promise<readonly ProbeEntry[]> {
    return this.#inTurn((place) => this.#backend.list(place));
  }

  sync(snapshot: readonly ProbePod[]): Promise<ProbeSyncResult> {
    return this.#inTurn(async (place) => {
      const entries = this.#read(snapshot);
      const there = await this.#backend.list(place);
      const known = new Map(there.map(({ address, podUid }) => [address, podUid]));
      const wanted = new Set(entries.map(({ address }) => address));
      const removalSkipped = snapshot.some(({ addresses }) => addresses.length === 0);
      const removed = removalSkipped ? [] : there.filter(({ address }) => !wanted.has(address));
      const put = entries.filter(({ address, podUid }) => known.get(address) !== podUid);
      await this.#backend.change(place, { put, remove: removed });
      return { removed, removalSkipped };
    });
  }

  destroy(): Promise<void> {
    return this.#inTurn((place) => this.#backend.destroy(place));
  }

  #read(pods: readonly ProbePod[]) {
    return readPods(pods, this.#options.ipv6 !== false);
  }

  #inTurn<R>(work: (place: ToolPlace) => Promise<R>): Promise<R> {
    const turn = this.#last.then(() => withWorkplace(this.#options, work));
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
