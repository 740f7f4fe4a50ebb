// The quiet line at the bottom: which window this is, whether the net is there, what waits, what an administrator must mend.

const NET = {
  starting: "正在连接",
  connected: "已连接",
  offline: "离线，评价会保存在本机",
  refused: "登记已失效，请联系管理员",
};

export class Line {
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
    this.#write("refused", refused ? `${refused} 条未被接收，请联系管理员` : "");
  }

  clockIsWrong() {
    this.#write("clock", "本机时间有误，请联系管理员");
  }

  #write(id, words) {
    this.page.querySelector(`#${id}`).textContent = words;
  }
}
