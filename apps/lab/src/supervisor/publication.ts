import { asLabError, LabError } from '../errors.ts';
import { renderRestartNotice } from '../restart-notice.ts';
import type { MeshFile } from './mesh-file.ts';

/** A node whose ztunnel reads the file. */
export interface PublicationNode {
  readonly name: string;
  /** Whether its ztunnel runs. */
  readonly isRunning: () => boolean;
  /** Resolves when its ztunnel goes by the file, to whether it had to be started again for it. Throws LAB_ZTUNNEL_NOT_READY. */
  readonly update: () => Promise<boolean>;
}

/**
 * The mesh file and who goes by it. What was written is done only when every ztunnel has said so: one that has not is waited
 * for again by whoever publishes next, even the same.
 */
export class Publication {
  readonly #file: MeshFile;
  readonly #nodes: readonly PublicationNode[];
  /** Names of the nodes that go by the file as it is. */
  readonly #confirmed = new Set<string>();
  #version = 0;

  constructor(file: MeshFile, nodes: readonly PublicationNode[]) {
    this.#file = file;
    this.#nodes = nodes;
  }

  /** Counts the changes of the file. */
  get version(): number {
    return this.#version;
  }

  /** Writes the file and waits for nobody. */
  replace(text: string): void {
    if (!this.#file.write(text)) return;
    this.#version += 1;
    this.#confirmed.clear();
  }

  /** A ztunnel that was started when the file had this version is ready: it has read it. Nothing if there is a later one. */
  confirm(node: string, version: number): void {
    if (version === this.#version) this.#confirmed.add(node);
  }

  /**
   * Writes the file and waits until all ztunnels go by it. Resolves to the names of the nodes where they had to be started
   * again. Throws LAB_ZTUNNEL_NOT_READY when the others have taken it, or not, either.
   */
  async publish(text: string): Promise<readonly string[]> {
    this.replace(text);
    const version = this.#version;
    const waiting = this.#nodes.filter(({ name }) => !this.#confirmed.has(name));
    const results = await Promise.allSettled(waiting.map((node) => this.#update(node, version)));
    const restarted = waiting.filter((_, index) => isTrue(results[index])).map(({ name }) => name);
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [toLabError(result.reason)] : []));
    const [first] = failures;
    if (first === undefined) return restarted;
    const said = failures.map(({ message }) => message);
    if (restarted.length > 0) said.push(renderRestartNotice(restarted));
    throw new LabError(first.code, said.join('; '), { cause: first });
  }

  async #update({ name, isRunning, update }: PublicationNode, version: number): Promise<boolean> {
    // One that does not run reads the file when it starts.
    const restarted = isRunning() && (await update());
    this.confirm(name, version);
    return restarted;
  }
}

function isTrue(result: PromiseSettledResult<boolean> | undefined): boolean {
  return result?.status === 'fulfilled' && result.value;
}

function toLabError(reason: unknown): LabError {
  return asLabError(reason, 'LAB_ZTUNNEL_NOT_READY');
}
