/** The node proxy as a process: environment, signals and exit codes. */
import { extname } from 'node:path';
import { LogRoot, LogWriter, machineSystem, parseCommandLine, parseConfig, Ztunnel } from '@ambientmesh/ztunnel';
import { tuneV8 } from './tune-v8.ts';

const STDOUT = 1;
/** Beside this file, as source and as bundle. */
const DATA_THREAD = new URL(`data-thread${extname(import.meta.url)}`, import.meta.url);
const LOCAL_CONFIG_THREAD = new URL(`local-config-thread${extname(import.meta.url)}`, import.meta.url);

/** Runs until the drain is over. Throws what stops the start or makes going on impossible. */
async function runProxy(args: readonly string[]): Promise<void> {
  const config = parseConfig((name) => process.env[name], machineSystem(Object.keys(process.env)));
  tuneV8(config.engine);
  const log = new LogRoot({ format: config.logFormat, filter: config.logFilter, sink: new LogWriter(STDOUT) });
  try {
    const ztunnel = new Ztunnel({
      config,
      log,
      program: DATA_THREAD,
      localConfigProgram: LOCAL_CONFIG_THREAD,
      args,
    });
    process.on('uncaughtException', (error) => {
      log.logger('ztunnel').error([['stack', error.stack ?? '']], `internal error: ${error.message}`);
      ztunnel.abort(error);
    });
    let interrupted = false;
    process.on('SIGTERM', () => ztunnel.drain('SIGTERM'));
    process.on('SIGINT', () => {
      if (interrupted) process.exit(0);
      interrupted = ztunnel.drain('SIGINT');
    });
    // A signal or a fault may come before everything has started.
    await Promise.race([ztunnel.ended, ztunnel.start().then(() => ztunnel.ended)]);
  } finally {
    await log.flush();
  }
}

async function main(args: readonly string[]): Promise<number> {
  const command = parseCommandLine(args, process.env['ISTIO_META_ISTIO_VERSION'] ?? 'unknown');
  if (command.kind === 'print') {
    process.stderr.write(command.error);
    process.stdout.write(command.output);
    return command.exitCode;
  }
  try {
    await runProxy(args);
    return 0;
  } catch (error) {
    if (!isLogged(error)) process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** Whether the log has told it already, as operators of the reference proxy know it. */
function isLogged(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ZDS_PROTOCOL_FATAL';
}

process.exit(await main(process.argv.slice(2)));
