// The words about files that the first page has. What must not live here: those that come later (filewords.ts).
export const filesEn = {
  attach: 'Attach',
  pickPictures: 'Photos and videos',
  pickCamera: 'Take a photo',
  pickFile: 'Files',
  speak: 'Voice message',
  dropHere: 'Drop the files to attach them',
  filesOf: 'Files',
};

export const filesZh: typeof filesEn = {
  attach: '添加附件',
  pickPictures: '照片和视频',
  pickCamera: '拍照',
  pickFile: '文件',
  speak: '语音消息',
  dropHere: '松开即可添加文件',
  filesOf: '文件',
};
