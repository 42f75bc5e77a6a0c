/** Runs attacks on a thread of its own: what they cost the attacker must not look like what they cost the attacked. */
import { parentPort } from 'node:worker_threads';
import { type Attacking, attackClient, attackServer } from './attacker.ts';
import type { AttackerCommand, AttackerEvent } from './attacker-thread.ts';
import { ATTACKS } from './attacks.ts';

const port = parentPort;
if (port === null) throw new Error('not a worker');
const say = (event: AttackerEvent): void => port.postMessage(event);
let attacking: Attacking | undefined;

async function obey(command: AttackerCommand): Promise<void> {
  if (command.kind === 'finish') {
    await attacking?.close();
    attacking = undefined;
    say({ kind: 'finished' });
    return;
  }
  const attack = ATTACKS.find(({ name }) => name === command.attack);
  if (attack === undefined) throw new Error(`no attack ${command.attack}`);
  const play = { attack, factor: command.factor };
  attacking =
    command.port === undefined
      ? await attackClient(play, (listening) => say({ kind: 'listening', port: listening }))
      : await attackServer(command.port, play);
  say({ kind: 'attacked', report: attacking.report });
}

port.on('message', (command: AttackerCommand) => {
  obey(command).catch((error: unknown) => say({ kind: 'failed', message: String(error) }));
});
