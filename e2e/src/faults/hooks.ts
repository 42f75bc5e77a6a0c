/** Loaded before a ztunnel by `NODE_OPTIONS=--import=…`: its data threads are `faulty-data-thread.ts`. */
import { registerHooks } from 'node:module';

const url = new URL('faulty-data-thread.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    return resolved.url.endsWith('/apps/ztunnel/src/data-thread.ts') ? { ...resolved, url } : resolved;
  },
});
