// Waiting between tries: longer each time, never at the same moment as the other tablets, cut short by a reason to try now.

const FIRST = 1_000;
const LAST = 30_000;

export class Pause {
  #tries = 0;
  #wake = () => {};

  // After a success the next pause is a short one again.
  succeeded() {
    this.#tries = 0;
  }

  // 1 s, doubled each time, 30 s at most; each between half of that and the whole.
  async again() {
    const whole = Math.min(FIRST * 2 ** this.#tries, LAST);
    this.#tries += 1;
    await this.atMost(whole * (0.5 + Math.random() / 2));
  }

  // Until `wake`, or for so long.
  atMost(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake() {
    this.#wake();
  }
}
