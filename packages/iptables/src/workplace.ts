import { checkOption } from './core/check-option.ts';
import { type NamespaceRef, type OpenNamespace, withNamespace } from './namespace.ts';
import { type NamespaceNetworking, toolNetworking } from './networking.ts';
import { runInNamespace } from './run-tool.ts';
import { takeTurns } from './take-turns.ts';
import type { ToolPlace } from './tool-place.ts';
import { findTools, type Tools } from './tools.ts';

/** Where to work, with what, and until when. */
export interface WorkOptions {
  /** Where this process is, if absent. */
  readonly namespace?: NamespaceRef;
  /** `iptables` (default): through `iptables-restore`, whichever variant; `nftables`: the native form, through `nft`. */
  readonly backend?: 'iptables' | 'nftables';
  /** From `findTools` or `detectBackend`; searched for on every call if absent. */
  readonly tools?: Tools;
  /** Instead of running `ip` and `sh`, which is what happens if absent. */
  readonly networking?: NamespaceNetworking;
  /** Stops the work and undoes what was done; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A place to work in, with everything that is needed there. */
export interface Workplace extends ToolPlace {
  readonly networking: NamespaceNetworking;
  /** The same place without the caller's signal: undoing must not be stopped. */
  uninterrupted(): Workplace;
}

const BACKENDS: readonly unknown[] = ['iptables', 'nftables', undefined];

/** Opens the namespace, finds the programs and runs `work` there. Throws what these three throw, and `IPTABLES_RULE_INVALID` for another backend. */
export async function withWorkplace<R>(options: WorkOptions, work: (place: Workplace) => Promise<R>): Promise<R> {
  checkOption('backend', options.backend, BACKENDS);
  return withNamespace(options.namespace, async (namespace) => workAt(namespace, options, work));
}

/**
 * The same, one call at a time for each namespace, however it is named: what one of them reads would not be true any more
 * when it writes. Only calls of this process wait for each other. Throws the signal's reason if it waits in vain.
 */
export async function withWorkplaceInTurn<R>(options: WorkOptions, work: (place: Workplace) => Promise<R>): Promise<R> {
  checkOption('backend', options.backend, BACKENDS);
  return withNamespace(options.namespace, async (namespace) =>
    takeTurns(namespace.identity, options.signal, async () => workAt(namespace, options, work)),
  );
}

async function workAt<R>(
  namespace: OpenNamespace,
  { tools, networking, signal }: WorkOptions,
  work: (place: Workplace) => Promise<R>,
): Promise<R> {
  signal?.throwIfAborted();
  const found = tools ?? (await findTools(signal === undefined ? {} : { signal }));
  return work(openPlace(namespace, found, networking, signal));
}

// Reading of /etc/nsswitch.conf (spec section 10, item 8 of section 15): the reference hides it from the programs it
// runs for a pod, whose name services are not up yet. Nothing to hide here: only the network namespace is entered, so
// the files are those of this process's own mount namespace, and no rule of this package has a name to look up.
function openPlace(
  namespace: OpenNamespace,
  tools: Tools,
  networking: NamespaceNetworking | undefined,
  signal: AbortSignal | undefined,
): Workplace {
  const place: ToolPlace = {
    namespace,
    tools,
    run: async (argv, input) =>
      runInNamespace(namespace, {
        nsenter: tools.nsenter,
        argv,
        env: tools.env,
        signal,
        ...(input === undefined ? {} : { input }),
      }),
  };
  return {
    ...place,
    networking: networking ?? toolNetworking(place),
    uninterrupted: () => openPlace(namespace, tools, networking, undefined),
  };
}
