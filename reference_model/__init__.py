"""The MTCNN pipeline of the paper, as a user of obrl.torch would write it."""
