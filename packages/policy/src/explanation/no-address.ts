/** In policies that stands for any address as a whole network; in a connection for one that nobody told, and no condition asks for. */
export const NO_ADDRESS = '0.0.0.0';
