// The voice prompt, if the browser has a Chinese voice; on or off as it was left.

const KEPT = "voice";

export class Voice {
  #synthesis = window.speechSynthesis;

  constructor(button) {
    this.button = button;
    button.addEventListener("click", () => this.#turn(!this.#on));
    this.#synthesis?.addEventListener("voiceschanged", () => this.#offer());
    this.#offer();
  }

  say(words) {
    const voice = this.#voice;
    if (!voice || !this.#on) return;
    const spoken = new SpeechSynthesisUtterance(words);
    Object.assign(spoken, { voice, lang: "zh-CN" });
    this.#synthesis.cancel();
    this.#synthesis.speak(spoken);
  }

  get #voice() {
    return this.#synthesis?.getVoices().find(({ lang }) => /^zh[-_](CN|Hans)/i.test(lang));
  }

  get #on() {
    return localStorage.getItem(KEPT) !== "off";
  }

  #turn(on) {
    localStorage.setItem(KEPT, on ? "on" : "off");
    if (!on) this.#synthesis.cancel();
    this.#offer();
  }

  #offer() {
    this.button.hidden = !this.#voice;
    this.button.textContent = this.#on ? "语音开" : "语音关";
  }
}
