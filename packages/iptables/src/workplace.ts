import { type NamespaceRef, type OpenNamespace, withNamespace } from './namespace.ts';
import { runInNamespace, type ToolResult } from './run-tool.ts';
import { findTools, type Tools } from './tools.ts';

/** Where to work, with what, and until when. */
export interface WorkOptions {
  readonly namespace: NamespaceRef;
  /** From {@link findTools}; searched for on every call if absent. */
  readonly tools?: Tools;
  /** Stops the work and undoes what was done; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** An open namespace and the programs to run in it. */
export interface Workplace {
  readonly namespace: OpenNamespace;
  readonly tools: Tools;
  /** Runs a program in the namespace; see {@link runInNamespace} for what it throws. */
  run(argv: readonly [string, ...string[]], input?: string): Promise<ToolResult>;
  /** The same place without the caller's signal: undoing must not be stopped. */
  uninterrupted(): Workplace;
}

/** Opens the namespace, finds the programs and runs `work` there. Throws what these three throw. */
export async function withWorkplace<R>(options: WorkOptions, work: (place: Workplace) => Promise<R>): Promise<R> {
  const { signal } = options;
  signal?.throwIfAborted();
  const tools = options.tools ?? (await findTools(signal === undefined ? {} : { signal }));
  return withNamespace(options.namespace, async (namespace) => work(openPlace(namespace, tools, signal)));
}

function openPlace(namespace: OpenNamespace, tools: Tools, signal: AbortSignal | undefined): Workplace {
  return {
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
    uninterrupted: () => openPlace(namespace, tools, undefined),
  };
}
