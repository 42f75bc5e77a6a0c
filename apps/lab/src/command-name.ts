/** How a person types the lab's command line: the clone's `node_modules/.bin` is on nobody's PATH. */
export const LAB_COMMAND = 'npx lab';
