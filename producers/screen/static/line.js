// The quiet line at the bottom: which window this is, whether the net is there, what waits, what an administrator must mend.

const NET = {
  starting: "正在连接",
  connected: "已连接",
  offline: "离线，联网后自动发送",
  refused: "登记已失效，请联系管理员",
};

export class Line {
  #faults = { refused: "", clock: "" };

  constructor(page) {
    this.page = page;
  }

  place(name) {
    this.#write("place", name);
  }

  net(state) {
    this.#write("net", NET[state]);
    this.page.querySelector("#net").dataset.state = state;
  }

  counts({ waiting, refused }) {
    this.#write("waiting", `待发送 ${waiting} 条`);
    this.#fault("refused", refused ? `${refused} 条未被接收` : "");
  }

  clockIsWrong() {
    this.#fault("clock", "本机时间有误");
  }

  // One sentence for all of them: the line is one line.
  #fault(name, words) {
    this.#faults[name] = words;
    const said = Object.values(this.#faults).filter(Boolean);
    this.#write("fault", said.length ? [...said, "请联系管理员"].join("，") : "");
  }

  #write(id, words) {
    this.page.querySelector(`#${id}`).textContent = words;
  }
}
