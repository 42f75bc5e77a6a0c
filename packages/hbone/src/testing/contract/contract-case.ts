import type { Engine, Plain } from '../../engine.ts';
import { Scene } from './scene.ts';

/** The engine under test, and what the cases need around it. Peers are sockets of `node:net` and `node:tls` in this thread. */
export interface EngineHarness {
  /** Made with limits for `Secure.close` of at most a few seconds: cases wait for them. */
  readonly engine: Engine;
  /** Whether it tells a FIN without close_notify from an end that was announced (`SecureHandler.ended`). Default: no. */
  readonly tellsUnannouncedEnds?: boolean;
  /** Has the engine accept on a free port of 127.0.0.1 (`Engine.listen`, or what it has instead) until `close`. */
  listen(accepted: (plain: Plain) => void): Promise<{ readonly port: number; readonly close: () => void }>;
  /** Has the engine connect to a port of 127.0.0.1 (`Engine.connect`, or what it has instead). */
  dial(port: number): Promise<Plain>;
  /** Lets a turn of the engine and of Node's event loop go by. */
  turn(): Promise<void>;
  /** Descriptors that this process has open. */
  openDescriptors(): number;
}

/** A rule of `engine.ts`. `run` rejects (`node:assert`) if the engine breaks it, and leaves nothing open. */
export interface ContractCase {
  readonly name: string;
  readonly run: (harness: EngineHarness) => Promise<void>;
}

/** A case that gets a scene, cleared when it ends. */
export function contractCase(name: string, play: (scene: Scene) => Promise<void>): ContractCase {
  return {
    name,
    run: async (harness) => {
      const scene = new Scene(harness);
      try {
        await play(scene);
        scene.check();
      } finally {
        scene.clear();
      }
    },
  };
}
