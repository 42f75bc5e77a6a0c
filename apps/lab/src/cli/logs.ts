import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';

/** Lines to begin with where nobody says how many, as tail(1): what was said long ago is not what one waits for. */
export const FOLLOWED_LINES = 10;

/** Options of `lab logs`. */
export interface LogFlags {
  readonly name: string;
  readonly follow?: boolean;
  /** The last so many of each log; absent: all, or a few if they are followed. */
  readonly lines?: number;
}

/** `lab logs`: prints logs, each line with its source before it if there are several. Throws LAB_NOT_RUNNING, LAB_NAME_UNKNOWN. */
export async function runLogs(context: CliContext, sources: readonly string[], flags: LogFlags): Promise<void> {
  const client = await attachNamed(context, flags.name);
  const close = (): void => {
    client.close().catch(() => undefined);
  };
  context.interrupted.addEventListener('abort', close, { once: true });
  try {
    const { nodes } = await client.status();
    const all = sources.length > 0 ? sources : nodes.map((node) => `ztunnel@${node.name}`);
    const print = (source: string, lines: readonly string[]): void => {
      const prefix = all.length > 1 ? context.out.paint('cyan', `${source} `) : '';
      context.write(lines.map((line) => `${prefix}${line}\n`).join(''));
    };
    if (flags.follow === true) {
      const options = { lines: flags.lines ?? FOLLOWED_LINES };
      await Promise.all(
        all.map((source) =>
          client.followLog(source, (text) => print(source, text.replace(/\n$/, '').split('\n')), options),
        ),
      );
      return;
    }
    const options = flags.lines === undefined ? {} : { lines: flags.lines };
    for (const source of all) print(source, await client.log(source, options));
  } catch (error) {
    if (!context.interrupted.aborted) throw error;
  } finally {
    context.interrupted.removeEventListener('abort', close);
    await client.close();
  }
}
